"""AP with its interval, AR, and the tracking metrics, of all videos of a job."""
