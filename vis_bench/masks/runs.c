/* Run lengths of compressed COCO masks: checked, measured, intersected, and their boundaries.
 *
 * The compiled part of `run_lengths.py`, where the encoding is described, and optional: `compiled.py`
 * calls it by ctypes with addresses of arrays. No string is read beyond its end, and whatever is not
 * surely a mask is left to the NumPy path, which names what is wrong.
 */

#include <stddef.h>
#include <stdint.h>

#ifdef _WIN32
#define EXPORTED __declspec(dllexport)
#else
#define EXPORTED __attribute__((visibility("default")))
#endif

/* Bits of the longest numbers that are read here, of six groups; a longer one is left to NumPy. */
#define MOST_BITS 30

/* Reads one number from *text; 0 where it is cut off, too long, or holds another character. */
static int read_number(const uint8_t **text, const uint8_t *end, int64_t *number)
{
    int64_t value = 0;
    for (int bits = 0; bits < MOST_BITS && *text < end; bits += 5) {
        uint32_t group = (uint32_t)*(*text)++ - '0';
        if (group > 63)
            return 0;
        value |= (int64_t)(group & 31) << bits;
        if (!(group & 32)) {
            *number = group & 16 ? value - ((int64_t)32 << bits) : value;
            return 1;
        }
    }
    return 0;
}

typedef struct {
    int64_t area;        /* foreground pixels */
    int64_t num_places;  /* twice the number of foreground runs that are not empty */
    uint8_t has_empty;   /* a run other than the first is empty */
} Mask;

/* Decodes one string; 0 unless it is a mask of that many pixels.
 *
 * places: takes the first pixel of each foreground run and the one behind its last, where it is not
 * NULL; they are no more than the characters.
 */
static int decode(const uint8_t *text, const uint8_t *end, int64_t pixels, uint32_t *places, Mask *mask)
{
    int64_t before[2] = {0, 0}, done = 0, number = 0;
    Mask found = {0, 0, 0};
    for (; text < end; number++) {
        int64_t length;
        if (!read_number(&text, end, &length))
            return 0;
        if (number > 2)
            length += before[number & 1];
        before[number & 1] = length;
        if (length < 0 || length > pixels - done)
            return 0;
        found.has_empty |= number && !length;
        if (number & 1 && length) {
            found.area += length;
            if (places) {
                places[found.num_places] = (uint32_t)done;
                places[found.num_places + 1] = (uint32_t)(done + length);
            }
            found.num_places += 2;
        }
        done += length;
    }
    *mask = found;
    return number && done == pixels && number - 1 <= pixels;
}

/* Checks and measures N masks; the place of the first that is none, or N.
 *
 * ends_N: where each string ends. pixels_N: height times width, below 2^32.
 */
EXPORTED int64_t measure(const uint8_t *text, const int64_t *ends_N, const int64_t *pixels_N, int64_t num_masks,
                         int64_t *areas_N, uint8_t *has_empty_N)
{
    int64_t start = 0;
    for (int64_t n = 0; n < num_masks; start = ends_N[n++]) {
        Mask mask;
        if (!decode(text + start, text + ends_N[n], pixels_N[n], NULL, &mask))
            return n;
        areas_N[n] = mask.area;
        has_empty_N[n] = mask.has_empty;
    }
    return num_masks;
}

/* The first of some runs that ends behind a pixel. */
static const uint32_t *skip_to(const uint32_t *run, const uint32_t *end, uint32_t pixel)
{
    ptrdiff_t num_runs = (end - run) / 2;
    while (num_runs > 0) {
        ptrdiff_t half = num_runs / 2;
        if (run[2 * half + 1] <= pixel) {
            run += 2 * (half + 1);
            num_runs -= half + 1;
        } else {
            num_runs = half;
        }
    }
    return run;
}

/* Pixels that the runs from a to a_end share with those from b to b_end. */
static int64_t shared_pixels(const uint32_t *a, const uint32_t *a_end, const uint32_t *b, const uint32_t *b_end)
{
    if (a == a_end || b == b_end)
        return 0;
    uint32_t first = a[0] > b[0] ? a[0] : b[0];
    uint32_t last = a_end[-1] < b_end[-1] ? a_end[-1] : b_end[-1];
    if (first >= last)
        return 0;
    int64_t shared = 0;
    a = skip_to(a, a_end, first);
    b = skip_to(b, b_end, first);
    while (a < a_end && b < b_end) {
        uint32_t low = a[0] > b[0] ? a[0] : b[0], high = a[1] < b[1] ? a[1] : b[1];
        int a_ends = a[1] <= b[1], b_ends = b[1] <= a[1];
        shared += high > low ? high - low : 0;
        a += 2 * a_ends;
        b += 2 * b_ends;
    }
    return shared;
}

/* Pairs of masks of one frame that share pixels, frame by frame; their number, or -1 for no mask.
 *
 * The masks of a frame are objects, then tracks. frames_F2: how many of each. ends_N, sizes_N: of
 * all masks, where the string ends, and height * 2^32 + width; masks of unequal size share nothing.
 * places, firsts: room for as many numbers as a frame has characters, and masks and one.
 * pairs_L3: takes the places of track and object among all masks, and the pixels that they share.
 */
EXPORTED int64_t overlaps(const uint8_t *text, const int64_t *ends_N, const int64_t *sizes_N,
                          const int64_t *frames_F2, int64_t num_frames, uint32_t *places, int64_t *firsts,
                          int64_t *pairs_L3)
{
    int64_t n = 0, start = 0, num_pairs = 0;
    for (int64_t frame = 0; frame < num_frames; frame++) {
        int64_t num_objects = frames_F2[2 * frame], num_masks = num_objects + frames_F2[2 * frame + 1];
        firsts[0] = 0;
        for (int64_t i = 0; i < num_masks; start = ends_N[n + i++]) {
            Mask mask;
            int64_t pixels = (sizes_N[n + i] >> 32) * (sizes_N[n + i] & 0xffffffff);
            if (!decode(text + start, text + ends_N[n + i], pixels, places + firsts[i], &mask))
                return -1;
            firsts[i + 1] = firsts[i] + mask.num_places;
        }
        for (int64_t r = 0; r < num_objects; r++) {
            for (int64_t q = num_objects; q < num_masks; q++) {
                int64_t shared = sizes_N[n + q] != sizes_N[n + r] ? 0
                    : shared_pixels(places + firsts[q], places + firsts[q + 1], places + firsts[r],
                                    places + firsts[r + 1]);
                if (shared) {
                    pairs_L3[3 * num_pairs] = n + q;
                    pairs_L3[3 * num_pairs + 1] = n + r;
                    pairs_L3[3 * num_pairs++ + 2] = shared;
                }
            }
        }
        n += num_masks;
    }
    return num_pairs;
}

/* A band of pixels along a boundary: bits of whole words, column by column. */
typedef struct {
    int64_t left, right;  /* its columns, right not among them */
    int64_t top, bottom;  /* its words in each column, bottom not among them */
    uint64_t *words;
} Band;

static int64_t num_bits(uint64_t word)
{
    word -= word >> 1 & 0x5555555555555555u;
    word = (word & 0x3333333333333333u) + (word >> 2 & 0x3333333333333333u);
    word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    return (int64_t)(word * 0x0101010101010101u >> 56);
}

/* Sets the bits from first up to last. */
static void set_bits(uint64_t *words, int64_t first, int64_t last)
{
    if (first >= last)
        return;
    uint64_t from = ~(uint64_t)0 << first % 64, to = ~(uint64_t)0 >> (63 - (last - 1) % 64);
    int64_t word = first / 64, end = (last - 1) / 64;
    if (word == end) {
        words[word] |= from & to;
        return;
    }
    words[word] |= from;
    while (++word < end)
        words[word] = ~(uint64_t)0;
    words[end] |= to;
}

/* Sets the band to a mask without its erosion by a square of 2 * radius + 1; its pixels.
 *
 * inside: room for as many words as the band.
 */
static int64_t draw_band(const uint32_t *run, const uint32_t *end, int64_t height, int64_t radius, uint64_t *inside,
                         Band *band)
{
    band->left = band->right = band->top = band->bottom = 0;
    if (run == end)
        return 0;
    int64_t low = height, high = 0;
    for (const uint32_t *own = run; own < end; own += 2) {
        int64_t row = own[0] % (uint32_t)height, behind = row + own[1] - own[0];
        low = behind > height ? 0 : row < low ? row : low;
        high = behind > height ? height : behind > high ? behind : high;
    }
    band->left = run[0] / height;
    band->right = (end[-1] - 1) / height + 1;
    band->top = low / 64;
    band->bottom = (high - 1) / 64 + 1;
    int64_t stride = band->bottom - band->top, num_words = (band->right - band->left) * stride;
    for (int64_t i = 0; i < num_words; i++)
        band->words[i] = inside[i] = 0;
    for (; run < end; run += 2) {
        int64_t column = run[0] / (uint32_t)height, first = run[0] - column * height;
        for (int64_t left = run[1] - run[0]; left > 0; column++, first = 0) {
            int64_t last = first + left < height ? first + left : height;
            int64_t place = (column - band->left) * stride - band->top;
            set_bits(band->words + place, first, last);
            set_bits(inside + place, first + radius, last - radius);
            left -= last - first;
        }
    }
    int64_t size = 2 * radius + 1, left = num_words;
    for (int64_t covered = 1, shift; covered < size; covered += shift) {
        shift = covered < size - covered ? covered : size - covered;
        left -= shift * stride;
        for (int64_t i = 0; i < left; i++)
            inside[i] &= inside[i + shift * stride];
    }
    for (int64_t i = 0; i < left; i++)
        band->words[i + radius * stride] &= ~inside[i];
    int64_t area = 0;
    for (int64_t i = 0; i < num_words; i++)
        area += band->words[i] ? num_bits(band->words[i]) : 0;
    return area;
}

/* Pixels that two bands share. */
static int64_t shared_band(const Band *a, const Band *b)
{
    int64_t left = a->left > b->left ? a->left : b->left, right = a->right < b->right ? a->right : b->right;
    int64_t top = a->top > b->top ? a->top : b->top, bottom = a->bottom < b->bottom ? a->bottom : b->bottom;
    int64_t shared = 0;
    for (int64_t column = left; column < right; column++) {
        const uint64_t *own = a->words + (column - a->left) * (a->bottom - a->top) - a->top;
        const uint64_t *other = b->words + (column - b->left) * (b->bottom - b->top) - b->top;
        for (int64_t word = top; word < bottom; word++)
            shared += own[word] & other[word] ? num_bits(own[word] & other[word]) : 0;
    }
    return shared;
}

/* Measures the bands of N masks of one size, and what each shares with the first of its frame; N, or
 * the place of the first that is no mask.
 *
 * masks_F: how many masks each frame has. size: height, width and radius. places: room for as many
 * numbers as a mask has characters. words: room for three frames, of whole words in each column.
 */
EXPORTED int64_t boundaries(const uint8_t *text, const int64_t *ends_N, const int64_t *masks_F, int64_t num_frames,
                            const int64_t *size, uint32_t *places, uint64_t *words, int64_t *areas_N,
                            int64_t *shared_N)
{
    int64_t n = 0, start = 0, room = (size[0] + 63) / 64 * size[1];
    Band first = {0, 0, 0, 0, words}, band = {0, 0, 0, 0, words + room};
    for (int64_t frame = 0; frame < num_frames; frame++) {
        for (int64_t i = 0; i < masks_F[frame]; i++, start = ends_N[n++]) {
            Mask mask;
            Band *own = i ? &band : &first;
            if (!decode(text + start, text + ends_N[n], size[0] * size[1], places, &mask))
                return n;
            areas_N[n] = draw_band(places, places + mask.num_places, size[0], size[2], words + 2 * room, own);
            shared_N[n] = shared_band(&first, own);
        }
    }
    return n;
}
