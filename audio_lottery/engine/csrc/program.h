// A network as a list of operations on channel-major buffers. Neighbouring operations that treat every frame
// by itself run tile by tile, so that what one writes is still in cache when the next one reads it.
#pragma once
#include "kernels.h"
#include "pool.h"
#include <memory>

// A buffer's rows hold the utterances of a batch one after the other, each padded to whole vectors. `at` and
// `frames` say which stretch of them is worked on: all, or one utterance (Program::select).
struct Part {
    int first, frames;
};

struct Buffer {
    int channels = 0;
    int frames = 0;
    int64_t ld = 0, at = 0;
    std::vector<Part> parts;
    int parent = -1, first = 0;  // of a view: channels first .. first + channels - 1 of the buffer `parent`
    std::vector<int> views;      // of this buffer
    Floats memory;
};

class Program;

class Op {
public:
    Op(int src, int dst) : src(src), dst(dst) {}
    virtual ~Op() = default;
    virtual bool local() const { return true; }  // every frame by itself? Else it is run for each utterance
    virtual int frames(int in) const { return in; }  // of dst
    virtual void prepare(Program&, int /*frames of the longest utterance*/) {}
    virtual size_t scratch(const Program&) const { return 0; }  // floats a worker needs for a tile
    // local: frames [v * VL, (v + nv) * VL) of dst
    virtual void tile(Program&, int /*v*/, int /*nv*/, float* /*scratch*/) {}
    virtual void whole(Program&) {}  // not local: all of dst
    virtual void reset() {}  // streaming: forget what came before
    const int src, dst;
};

class Program {
public:
    // left: -1, or run() goes on where the last one ended, and attention sees that many frames before its own
    Program(const Kernels* k, int threads, int left) : k(k), left(left), pool(threads), scratch(pool.threads()) {}
    // x [channels][frames of all utterances]. Several utterances at once only where left is -1.
    void run(int input, const float* x, const int* frames, int utterances);
    float* row(int buffer, int channel) const {
        const Buffer& b = buffers[buffer];
        return (b.parent < 0 ? b : buffers[b.parent]).memory.data() + (b.first + channel) * b.ld + b.at;
    }
    int vectors(int buffer) const { return (buffers[buffer].frames + k->vl - 1) / k->vl; }
    float* worker_scratch(int worker, size_t floats) { return scratch[worker].at_least(floats); }

    const Kernels* const k;
    const int left;
    Pool pool;
    std::vector<Buffer> buffers;
    std::vector<std::unique_ptr<Op>> ops;

private:
    void lay_out(int buffer, const std::vector<int>& frames);
    void lay_out(const Op& op);
    bool alike(int one, int other) const;
    void select(int utterance);
    void run_local(size_t first, size_t last);
    std::vector<Floats> scratch;
    std::vector<int> counts;  // frames of each utterance that lay_out() is at
};

// Columns: sin and cos of (first + step * column) * 10000^(-2 i / channels), channels interleaved as in
// "Attention is all you need". The product is rounded to float, as PyTorch does.
void sinusoids(float* out, int64_t ld, int channels, int first, int step, int columns);

std::unique_ptr<Op> make_linear(int src, int dst, const Matrix* m);
std::unique_ptr<Op> make_layer_norm(int src, int dst, int channels, const float* gain, const float* bias, float eps);
std::unique_ptr<Op> make_activate(int buffer, int kind);
std::unique_ptr<Op> make_glu(int src, int dst);
std::unique_ptr<Op> make_add(int src, int dst, float scale);
std::unique_ptr<Op> make_multiply(int src, int dst);
std::unique_ptr<Op> make_affine(int src, int dst, int channels, const float* scale, const float* shift);
std::unique_ptr<Op> make_positions(int buffer);
// causal: each frame sees taps - 1 frames before itself instead of (taps - 1) / 2 on either side
std::unique_ptr<Op> make_depthwise(int src, int dst, int channels, const float* weight, const float* bias, int taps,
                                   bool causal);
std::unique_ptr<Op> make_attention(int q, int k, int v, int dst, int heads, const Matrix* positions, int channels,
                                   const float* bias_u, const float* bias_v);
// matrices: for each direction the packed input weights, then the packed (VECTOR) state weights of each part: the
// units are cut into `parts` of whole cache lines, of like size but the last, each with its rows in the order of the whole.
// A part is for one thread: with several parts, the program has at least parts * directions threads
std::unique_ptr<Op> make_recurrent(int src, int dst, bool gru, int size, const Matrix* const* matrices, int directions,
                                   int parts);
std::unique_ptr<Op> make_max_pool(int src, int dst, int channels, int freqs);
std::unique_ptr<Op> make_subsample(int src, int dst, int step);

struct ConvShape {
    int channels, freqs;            // of the input; its rows are [freq][channel]
    int kernel_f, kernel_t, stride_f, stride_t, pad_f, pad_t;
    int freqs_out() const { return (freqs + 2 * pad_f - kernel_f) / stride_f + 1; }
    int frames_out(int frames) const { return (frames + 2 * pad_t - kernel_t) / stride_t + 1; }
};
// m: [channels out][kernel_f][channels][kernel_t]; output rows are [freq][channel]; activation 0: none
std::unique_ptr<Op> make_conv(int src, int dst, const Matrix* m, const ConvShape& shape, int activation);
