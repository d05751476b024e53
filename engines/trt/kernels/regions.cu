// What models and the pipeline read of NV12 pictures on the GPU: one thread for each pixel of the result.
#include "sample.h"

// Crops, resizes and converts a batch of regions, of one picture or of many, into what models take:
// uint8 RGB (count, height, width, 3).
extern "C" __global__ void regions(const Region *wanted, int width, int height, unsigned char *out) {
    int x = blockIdx.x * blockDim.x + threadIdx.x;
    int y = blockIdx.y * blockDim.y + threadIdx.y;
    int n = blockIdx.z;
    if (x >= width || y >= height) return;
    size_t at = ((size_t)n * height + y) * width + x;
    sample(wanted + n, x, y, width, height, out + 3 * at);
}

// Luma of every `step`th pixel of one region, uint8 (height, width).
extern "C" __global__ void points(const Region *wanted, int step, int width, int height,
                                  unsigned char *out) {
    int x = blockIdx.x * blockDim.x + threadIdx.x;
    int y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x >= width || y >= height) return;
    out[(size_t)y * width + x] = point(wanted, x, y, step);
}
