// One output pixel of a region: the arithmetic alone, for the GPU and for the host.
//
// nvcc compiles it into the kernel of regions.cu; the tests compile it for the host and compare it
// with what the CPU path of the pipeline makes of the same picture.
#ifndef THREADLINE_SAMPLE_H
#define THREADLINE_SAMPLE_H

#ifdef __CUDACC__
#define THREADLINE_BOTH __host__ __device__ __forceinline__
#else
#define THREADLINE_BOTH static inline
#endif

// Value of everything outside of the picture, as pipeline.yuv.PAD.
#define THREADLINE_PAD 127

// A picture in NV12: luma, and chroma of half its size with U and V taking turns.
struct Nv12 {
    const unsigned char *luma;
    const unsigned char *chroma;
    int pitch;   // bytes from one row to the next, of both planes
    int width;   // of luma, in pixels
    int height;
};

// Affine map from (Y, U, V) to one of R, G, B: three factors and what is added.
struct Row {
    float y, u, v, add;
};

// What is wanted of a picture: x0, y0, x1, y1 in luma pixels, which may reach beyond it, and how its
// colours become red, green and blue.
struct Region {
    struct Nv12 from;
    int window[4];
    struct Row rows[3];
};

// Mean of a plane over [x0, x1) x [y0, y1) in its own pixels; narrower than a pixel, linear between
// the middles of two. `step` and `first` pick one of several values that take turns in a row.
THREADLINE_BOTH float mean_of(const unsigned char *plane, int pitch, int step, int first, int width,
                              int height, float x0, float y0, float x1, float y1) {
    float spans[2] = {x1 - x0, y1 - y0};
    float lows[2] = {x0, y0};
    int limits[2] = {width, height};
    int from[2], count[2];
    float head[2], tail[2];
    for (int axis = 0; axis < 2; axis++) {
        float low = lows[axis], span = spans[axis];
        if (span < 1.0f) {  // two taps around the middle
            low += 0.5f * span - 0.5f;
            span = 1.0f;
        }
        float limit = (float)limits[axis];
        // What lies beyond the edge is as the edge.
        if (low < 0.0f) low = 0.0f;
        if (low > limit - 1.0f) low = limit - 1.0f;
        float high = low + span;
        if (high > limit) high = limit;
        from[axis] = (int)low;
        int last = (int)high;
        tail[axis] = high - (float)last;
        if (tail[axis] <= 0.0f) {
            last -= 1;
            tail[axis] = 1.0f;
        }
        count[axis] = last - from[axis] + 1;
        head[axis] = 1.0f - (low - (float)from[axis]);
        if (count[axis] == 1) head[axis] = high - low, tail[axis] = 0.0f;
    }
    float sum = 0.0f, weight = 0.0f;
    for (int j = 0; j < count[1]; j++) {
        float wy = j == 0 ? head[1] : (j == count[1] - 1 ? tail[1] : 1.0f);
        const unsigned char *row = plane + (long)(from[1] + j) * pitch + first;
        for (int i = 0; i < count[0]; i++) {
            float w = wy * (i == 0 ? head[0] : (i == count[0] - 1 ? tail[0] : 1.0f));
            sum += w * (float)row[(from[0] + i) * step];
            weight += w;
        }
    }
    return sum / weight;
}

THREADLINE_BOTH unsigned char byte_of(float value) {
    value = value < 0.0f ? 0.0f : (value > 255.0f ? 255.0f : value);
    return (unsigned char)(value + 0.5f);
}

// RGB of the pixel (x, y) of a region's `width` x `height` picture.
THREADLINE_BOTH void sample(const struct Region *region, int x, int y, int width, int height,
                            unsigned char *rgb) {
    const struct Nv12 *from = &region->from;
    const int *window = region->window;
    const struct Row *rows = region->rows;
    float sx = (float)(window[2] - window[0]) / (float)width;
    float sy = (float)(window[3] - window[1]) / (float)height;
    float x0 = (float)window[0] + sx * (float)x, y0 = (float)window[1] + sy * (float)y;
    float mx = x0 + 0.5f * sx, my = y0 + 0.5f * sy;
    if (mx < 0.0f || my < 0.0f || mx >= (float)from->width || my >= (float)from->height) {
        rgb[0] = rgb[1] = rgb[2] = THREADLINE_PAD;
        return;
    }
    float luma = mean_of(from->luma, from->pitch, 1, 0, from->width, from->height, x0, y0, x0 + sx,
                         y0 + sy);
    int cw = from->width / 2, ch = from->height / 2;
    float u = mean_of(from->chroma, from->pitch, 2, 0, cw, ch, 0.5f * x0, 0.5f * y0,
                      0.5f * (x0 + sx), 0.5f * (y0 + sy));
    float v = mean_of(from->chroma, from->pitch, 2, 1, cw, ch, 0.5f * x0, 0.5f * y0,
                      0.5f * (x0 + sx), 0.5f * (y0 + sy));
    for (int c = 0; c < 3; c++)
        rgb[c] = byte_of(rows[c].y * luma + rows[c].u * u + rows[c].v * v + rows[c].add);
}

// Luma of the pixel (x, y) of a region inside of its picture of which every `step`th pixel is taken,
// and nothing smoothed.
THREADLINE_BOTH unsigned char point(const struct Region *region, int x, int y, int step) {
    const int *window = region->window;
    return region->from.luma[(long)(window[1] + y * step) * region->from.pitch + window[0] + x * step];
}

#endif
