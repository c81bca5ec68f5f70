// NVIDIA GPUs through the CUDA runtime, which is linked statically: the program starts where there
// is no driver, and then lists no device.
#include <cuda_runtime_api.h>
#include <dlfcn.h>

#include "base/error.h"
#include "tensor/devices/cuda_code.h"
#include "tensor/devices/cuda_faults.h"
#include "tensor/devices/cuda_random.h"
#include "tensor/devices/cuda_stream.h"

namespace ingot {
namespace device_cuda {

constexpr std::string_view kDevice = "tensor/devices/cuda";

void check(cudaError_t status, std::string_view what) {
  if (status == cudaSuccess) return;
  cudaGetLastError();
  fail(status == cudaErrorMemoryAllocation ? ErrorCode::kOutOfMemory : ErrorCode::kInternal,
       kDevice, "{}: {} ({}){}", what, cudaGetErrorString(status), cudaGetErrorName(status),
       is_kernel_fault(status) ? kKernelFaultHint : "");
}

class CudaStream final : public Stream {
 public:
  explicit CudaStream(int index) : index_(index) {
    check(cudaSetDevice(index_), "cudaSetDevice");
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreate");
  }
  ~CudaStream() override {
    cudaSetDevice(index_);
    cudaStreamDestroy(stream_);
  }
  CudaStream(const CudaStream&) = delete;
  CudaStream& operator=(const CudaStream&) = delete;
  void synchronize() override { check(cudaStreamSynchronize(stream_), "waiting for the GPU"); }
  // Every piece of work asks for it: the current device belongs to a thread, and the one that works
  // need not be the one that opened the device.
  cudaStream_t get() const {
    check(cudaSetDevice(index_), "cudaSetDevice");
    return stream_;
  }

 private:
  int index_;
  cudaStream_t stream_ = nullptr;
};

class CudaEvent final : public Event {
 public:
  CudaEvent() {
    check(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming), "cudaEventCreate");
  }
  ~CudaEvent() override { cudaEventDestroy(event_); }
  CudaEvent(const CudaEvent&) = delete;
  CudaEvent& operator=(const CudaEvent&) = delete;
  void record(Stream& stream) override {
    check(cudaEventRecord(event_, cuda_stream(stream)), "cudaEventRecord");
  }
  void synchronize() override { check(cudaEventSynchronize(event_), "waiting for the GPU"); }

 private:
  cudaEvent_t event_ = nullptr;
};

class CudaGraph final : public CapturedGraph {
 public:
  explicit CudaGraph(cudaGraph_t graph) : graph_(graph) {
    const cudaError_t status = cudaGraphInstantiate(&executable_, graph_, 0);
    if (status != cudaSuccess) cudaGraphDestroy(graph_);
    check(status, "cudaGraphInstantiate");
  }
  ~CudaGraph() override {
    cudaGraphExecDestroy(executable_);
    cudaGraphDestroy(graph_);
  }
  CudaGraph(const CudaGraph&) = delete;
  CudaGraph& operator=(const CudaGraph&) = delete;
  void replay(Stream& stream) override {
    check(cudaGraphLaunch(executable_, cuda_stream(stream)), "cudaGraphLaunch");
  }

 private:
  cudaGraph_t graph_;
  cudaGraphExec_t executable_ = nullptr;
};

// Events on the stream: the GPU's own clock, 0.5 us fine.
class CudaTimer final : public DeviceTimer {
 public:
  CudaTimer() {
    check(cudaEventCreate(&start_), "cudaEventCreate");
    check(cudaEventCreate(&stop_), "cudaEventCreate");
  }
  ~CudaTimer() override {
    cudaEventDestroy(start_);
    cudaEventDestroy(stop_);
  }
  CudaTimer(const CudaTimer&) = delete;
  CudaTimer& operator=(const CudaTimer&) = delete;
  void start(Stream& stream) override {
    check(cudaEventRecord(start_, cuda_stream(stream)), "cudaEventRecord");
  }
  void stop(Stream& stream) override {
    check(cudaEventRecord(stop_, cuda_stream(stream)), "cudaEventRecord");
  }
  double microseconds() override {
    check(cudaEventSynchronize(stop_), "waiting for the GPU");
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, start_, stop_), "cudaEventElapsedTime");
    return static_cast<double>(milliseconds) * 1e3;
  }

 private:
  cudaEvent_t start_ = nullptr;
  cudaEvent_t stop_ = nullptr;
};

// Watts that the driver lets the GPU draw; 0 where its management library does not say. Its header
// is not part of the toolkit, hence the declarations.
unsigned power_limit(int index) {
  char bus[32] = {};
  if (cudaDeviceGetPCIBusId(bus, sizeof bus, index) != cudaSuccess) {
    cudaGetLastError();
    return 0;
  }
  void* library = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!library) return 0;
  const auto init = reinterpret_cast<int (*)()>(dlsym(library, "nvmlInit_v2"));
  const auto shut_down = reinterpret_cast<int (*)()>(dlsym(library, "nvmlShutdown"));
  const auto find = reinterpret_cast<int (*)(const char*, void**)>(
      dlsym(library, "nvmlDeviceGetHandleByPciBusId_v2"));
  const auto limit = reinterpret_cast<int (*)(void*, unsigned*)>(
      dlsym(library, "nvmlDeviceGetEnforcedPowerLimit"));
  unsigned milliwatts = 0;
  if (init && shut_down && find && limit && init() == 0) {
    void* device = nullptr;
    if (find(bus, &device) != 0 || limit(device, &milliwatts) != 0) milliwatts = 0;
    shut_down();
  }
  dlclose(library);
  return milliwatts / 1000;
}

class CudaDevice final : public Device {
 public:
  CudaDevice(int index, const cudaDeviceProp& properties) : index_(index), properties_(properties) {
    if (cudaSetDevice(index_) == cudaErrorMemoryAllocation) {
      cudaGetLastError();
      fail(ErrorCode::kOutOfMemory, kDevice,
           "device 'cuda:{}': out of memory before anything was asked for: other programs hold it "
           "(nvidia-smi lists them)",
           index_);
    }
    activate();
    find_code();
    check(cudaDriverGetVersion(&driver_), "cudaDriverGetVersion");
    watts_ = power_limit(index);
  }

  std::string_view kind() const override { return "cuda"; }
  std::string identity() const override {
    return fmt::format("cuda:{}:sm_{}:sms={}:watts={}:driver={}:runtime={}", properties_.name,
                       capability(), properties_.multiProcessorCount, watts_, driver_,
                       CUDART_VERSION);
  }
  int capability() const override { return properties_.major * 10 + properties_.minor; }
  bool host_visible() const override { return false; }

  uint64_t free_bytes() const override {
    check(cudaSetDevice(index_), "cudaSetDevice");
    size_t free = 0;
    size_t total = 0;
    check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
    return free;
  }
  std::byte* allocate(size_t size) override {
    activate();
    void* data = nullptr;
    if (const cudaError_t status = cudaMalloc(&data, size); status != cudaSuccess) {
      cudaGetLastError();
      size_t free = 0;
      size_t total = 0;
      cudaMemGetInfo(&free, &total);
      fail(ErrorCode::kOutOfMemory, kDevice,
           "cuda:{}: allocating {} bytes failed: {} of {} bytes are free ({})", index_, size, free,
           total, cudaGetErrorName(status));
    }
    return static_cast<std::byte*>(data);
  }
  void release(std::byte* data, size_t) noexcept override {
    cudaSetDevice(index_);
    cudaFree(data);
  }
  std::byte* allocate_host(size_t size) override {
    activate();
    void* data = nullptr;
    check(cudaMallocHost(&data, size), fmt::format("locking {} bytes of host memory", size));
    return static_cast<std::byte*>(data);
  }
  void release_host(std::byte* data, size_t) noexcept override { cudaFreeHost(data); }
  // The runtime stages pageable memory before it returns.
  void copy_in(std::byte* dst, const std::byte* src, size_t size, Stream& stream) override {
    copy(dst, src, size, cudaMemcpyHostToDevice, stream);
  }
  void copy_out(std::byte* dst, const std::byte* src, size_t size, Stream& stream) override {
    copy(dst, src, size, cudaMemcpyDeviceToHost, stream);
  }
  void copy(std::byte* dst, const std::byte* src, size_t size, Stream& stream) override {
    copy(dst, src, size, cudaMemcpyDeviceToDevice, stream);
  }
  void fill_zero(std::byte* dst, size_t size, Stream& stream) override {
    check(cudaMemsetAsync(dst, 0, size, cuda_stream(stream)), "cudaMemsetAsync");
  }
  void fill_random(std::byte* dst, DType type, int64_t count, const RandomFill& fill,
                   Stream& stream) override {
    activate();
    check(launch_random_fill(dst, type, count, fill, cuda_stream(stream)), "filling a tensor");
  }
  std::unique_ptr<Stream> make_stream() override { return std::make_unique<CudaStream>(index_); }
  std::unique_ptr<Event> make_event() override {
    activate();
    return std::make_unique<CudaEvent>();
  }

  void activate() override { check(cudaSetDevice(index_), "cudaSetDevice"); }

  bool begin_capture(Stream& stream) override {
    check(cudaStreamBeginCapture(cuda_stream(stream), cudaStreamCaptureModeThreadLocal),
          "cudaStreamBeginCapture");
    return true;
  }
  std::unique_ptr<CapturedGraph> end_capture(Stream& stream) override {
    cudaGraph_t graph = nullptr;
    check(cudaStreamEndCapture(cuda_stream(stream), &graph), "cudaStreamEndCapture");
    return std::make_unique<CudaGraph>(graph);
  }
  std::unique_ptr<DeviceTimer> make_timer() override {
    activate();
    return std::make_unique<CudaTimer>();
  }
  size_t cache_bytes() const override { return static_cast<size_t>(properties_.l2CacheSize); }

 private:
  // Without this the first kernel would fail, somewhere.
  void find_code() const {
    const cudaError_t status = find_cuda_code();
    if (status == cudaSuccess) return;
    fail(ErrorCode::kUnsupported, kDevice,
         "device 'cuda:{}': {} is sm_{}, and this program was built for {} (CMake's "
         "INGOT_CUDA_ARCHITECTURES, docs/gpu.md): {} ({})",
         index_, properties_.name, capability(), cuda_architectures(), cudaGetErrorString(status),
         cudaGetErrorName(status));
  }
  static void copy(std::byte* dst, const std::byte* src, size_t size, cudaMemcpyKind kind,
                   Stream& stream) {
    if (size == 0) return;
    check(cudaMemcpyAsync(dst, src, size, kind, cuda_stream(stream)), "cudaMemcpyAsync");
  }

  int index_;
  cudaDeviceProp properties_;
  int driver_ = 0;
  unsigned watts_ = 0;
};

int device_count() {
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess) {
    cudaGetLastError();
    return 0;
  }
  return count;
}

// Of the current GPU, for the list of devices.
std::string missing_code() {
  if (find_cuda_code() == cudaSuccess) return "";
  return fmt::format(", not usable: this program was built for {}", cuda_architectures());
}

std::vector<DeviceInfo> list() {
  std::vector<DeviceInfo> out;
  int current = 0;
  if (cudaGetDevice(&current) != cudaSuccess) cudaGetLastError();
  for (int i = 0; i < device_count(); ++i) {
    cudaDeviceProp properties{};
    size_t free = 0;
    size_t total = 0;
    if (cudaGetDeviceProperties(&properties, i) != cudaSuccess || cudaSetDevice(i) != cudaSuccess ||
        cudaMemGetInfo(&free, &total) != cudaSuccess) {
      cudaGetLastError();
      continue;
    }
    out.push_back({fmt::format("cuda:{}", i), properties.name,
                   fmt::format("sm_{}{}, {} SMs{}", properties.major, properties.minor,
                               properties.multiProcessorCount, missing_code()),
                   total, free});
  }
  if (!out.empty()) cudaSetDevice(current);  // as the caller had it
  return out;
}

// "13.0" of 13000.
std::string version_text(int version) {
  return fmt::format("{}.{}", version / 1000, version % 1000 / 10);
}

[[noreturn]] void no_device(int index, cudaError_t status) {
  cudaGetLastError();
  int driver = 0;  // the newest CUDA that it serves; 0 without one
  if (cudaDriverGetVersion(&driver) != cudaSuccess) cudaGetLastError();
  const std::string built = version_text(CUDART_VERSION);
  std::string why = fmt::format("{} ({})", cudaGetErrorString(status), cudaGetErrorName(status));
  if (driver == 0) {
    why = fmt::format("no NVIDIA driver is installed; one for CUDA {} is needed", built);
  } else if (status == cudaErrorInsufficientDriver) {
    why = fmt::format("the NVIDIA driver is for CUDA {}, one for CUDA {} is needed: update it",
                      version_text(driver), built);
  } else if (status == cudaErrorNoDevice) {
    why = "the NVIDIA driver shows no GPU (CUDA_VISIBLE_DEVICES hides those it does not list)";
  }
  fail(ErrorCode::kUnsupported, kDevice, "device 'cuda:{}': {}", index, why);
}

std::unique_ptr<Device> open(int index) {
  int count = 0;
  if (const cudaError_t status = cudaGetDeviceCount(&count); status != cudaSuccess) {
    no_device(index, status);
  }
  if (index >= count) {
    fail(ErrorCode::kNotFound, kDevice, "device 'cuda:{}': this machine has {} NVIDIA GPU(s)",
         index, count);
  }
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, index), "cudaGetDeviceProperties");
  return std::make_unique<CudaDevice>(index, properties);
}

}  // namespace device_cuda

cudaStream_t cuda_stream(Stream& stream) {
  return static_cast<device_cuda::CudaStream&>(stream).get();
}

const DeviceDef& cuda_device() {
  static const DeviceDef def = {"cuda", device_cuda::list, device_cuda::open};
  return def;
}

}  // namespace ingot
