// Crops, resizes and converts a batch of regions of one NV12 picture on the GPU: one thread for each
// pixel of the result, which is what models take, uint8 RGB (count, height, width, 3).
#include "sample.h"

extern "C" __global__ void regions(const unsigned char *luma, const unsigned char *chroma, int pitch,
                                   int picture_width, int picture_height, const int *windows,
                                   const Row *rows, int width, int height, unsigned char *out) {
    int x = blockIdx.x * blockDim.x + threadIdx.x;
    int y = blockIdx.y * blockDim.y + threadIdx.y;
    int n = blockIdx.z;
    if (x >= width || y >= height) return;
    Nv12 from = {luma, chroma, pitch, picture_width, picture_height};
    size_t at = ((size_t)n * height + y) * width + x;
    sample(&from, windows + 4 * n, rows, x, y, width, height, out + 3 * at);
}
