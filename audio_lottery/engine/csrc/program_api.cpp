// The C interface to programs.
#include "api.h"
#include "dispatch.h"
#include "pack.h"
#include "program.h"
#include <cstring>

AL_API Program* al_program(int threads, int left) {
    const Kernels* k = kernels();
    return k ? new Program(k, threads < 1 ? 1 : threads, left) : nullptr;
}
AL_API void al_program_free(Program* p) { delete p; }

AL_API int al_buffer(Program* p, int channels) {
    p->buffers.emplace_back();
    p->buffers.back().channels = channels;
    return (int)p->buffers.size() - 1;
}

// Channels first .. first + channels - 1 of a buffer that is no view itself.
AL_API int al_view(Program* p, int parent, int first, int channels) {
    const int view = al_buffer(p, channels);
    p->buffers[view].parent = parent, p->buffers[view].first = first;
    p->buffers[parent].views.push_back(view);
    return view;
}

AL_API void al_op_linear(Program* p, int src, int dst, const PackedMatrix* m) {
    p->ops.push_back(make_linear(src, dst, m));
}
AL_API void al_op_layer_norm(Program* p, int src, int dst, const float* gain, const float* bias, float eps) {
    p->ops.push_back(make_layer_norm(src, dst, p->buffers[dst].channels, gain, bias, eps));
}
AL_API void al_op_activate(Program* p, int buffer, int kind) { p->ops.push_back(make_activate(buffer, kind)); }
AL_API void al_op_glu(Program* p, int src, int dst) { p->ops.push_back(make_glu(src, dst)); }
AL_API void al_op_add(Program* p, int src, int dst, float scale) { p->ops.push_back(make_add(src, dst, scale)); }
AL_API void al_op_multiply(Program* p, int src, int dst) { p->ops.push_back(make_multiply(src, dst)); }
AL_API void al_op_affine(Program* p, int src, int dst, const float* scale, const float* shift) {
    p->ops.push_back(make_affine(src, dst, p->buffers[dst].channels, scale, shift));
}
AL_API void al_op_positions(Program* p, int buffer) { p->ops.push_back(make_positions(buffer)); }
AL_API void al_op_depthwise(Program* p, int src, int dst, const float* weight, const float* bias, int taps,
                            int causal) {
    p->ops.push_back(make_depthwise(src, dst, p->buffers[dst].channels, weight, bias, taps, causal != 0));
}
AL_API void al_op_attention(Program* p, int q, int k, int v, int dst, int heads, const PackedMatrix* positions,
                            const float* bias_u, const float* bias_v) {
    p->ops.push_back(make_attention(q, k, v, dst, heads, positions, p->buffers[dst].channels, bias_u, bias_v));
}
// matrices: input and state (in `parts`) of the forward direction, then of the backward one
AL_API void al_op_recurrent(Program* p, int src, int dst, int gru, int size, const PackedMatrix* const* matrices,
                            int directions, int parts) {
    std::vector<const Matrix*> plain(matrices, matrices + (1 + parts) * directions);
    p->ops.push_back(make_recurrent(src, dst, gru != 0, size, plain.data(), directions, parts));
}
AL_API void al_op_max_pool(Program* p, int src, int dst, int channels, int freqs) {
    p->ops.push_back(make_max_pool(src, dst, channels, freqs));
}
AL_API void al_op_subsample(Program* p, int src, int dst, int step) { p->ops.push_back(make_subsample(src, dst, step)); }
// shape: channels, freqs, kernel_f, kernel_t, stride_f, stride_t, pad_f, pad_t
AL_API void al_op_conv(Program* p, int src, int dst, const PackedMatrix* m, const int* shape,
                       int activation) {
    ConvShape s = {shape[0], shape[1], shape[2], shape[3], shape[4], shape[5], shape[6], shape[7]};
    p->ops.push_back(make_conv(src, dst, m, s, activation));
}

// x [channels][frames of all utterances, one after the other]. Returns 0, or 1 when memory ran out.
AL_API int al_run(Program* p, int input, const float* x, const int* frames, int utterances) {
    try {
        p->run(input, x, frames, utterances);
        return 0;
    } catch (const std::bad_alloc&) {
        return 1;
    }
}
AL_API void al_reset(Program* p) {
    for (auto& op : p->ops) op->reset();
}
AL_API int al_frames(const Program* p, int buffer, int utterance) {  // 0 for what no run wrote
    const auto& parts = p->buffers[buffer].parts;
    return utterance < (int)parts.size() ? parts[utterance].frames : 0;
}
// out [channels][frames of that utterance]
AL_API void al_read(Program* p, int buffer, int utterance, float* out) {
    const Buffer& b = p->buffers[buffer];
    if (utterance >= (int)b.parts.size()) return;
    const Part part = b.parts[utterance];
    for (int c = 0; c < b.channels; c++)
        std::memcpy(out + (size_t)c * part.frames, p->row(buffer, c) + part.first, sizeof(float) * part.frames);
}
