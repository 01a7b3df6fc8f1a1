// Lets a PyTorch without CUDA make fake tensors of CUDA devices. Its builds with CUDA do it by
// themselves: FakeTensorMode calls ensureCUDADeviceGuardSet.

#include <c10/core/impl/DeviceGuardImplInterface.h>

namespace {

constexpr auto kCuda = c10::DeviceType::CUDA;
c10::impl::NoOpDeviceGuardImpl<kCuda> guard;

}  // namespace

extern "C" int set_cuda_guard(int present) {
  auto& known = c10::impl::device_guard_impl_registry[static_cast<size_t>(kCuda)];
  if (known.load() != nullptr && known.load() != &guard) return 0;
  known.store(present ? &guard : nullptr);
  return 1;
}
