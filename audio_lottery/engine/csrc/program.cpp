#include "program.h"
#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>

void sinusoids(float* out, int64_t ld, int channels, int first, int step, int columns) {
    for (int c = 0; c < channels; c++) {
        const float rate = std::exp((float)(c / 2 * 2) * -(float)(std::log(10000.0) / channels));
        for (int j = 0; j < columns; j++) {
            const double angle = (float)(first + step * j) * rate;
            out[c * ld + j] = (float)(c % 2 ? std::cos(angle) : std::sin(angle));
        }
    }
}

void Program::lay_out(int buffer, const std::vector<int>& frames) {
    Buffer& b = buffers[buffer];
    if (b.parent >= 0) return lay_out(b.parent, frames);
    b.parts.clear();
    int64_t end = 0;
    for (int count : frames) {
        b.parts.push_back({(int)end, count});
        end += (count + 15) / 16 * 16;
    }
    if (end > INT32_MAX / 2) throw std::bad_alloc();
    b.frames = b.parts.back().first + b.parts.back().frames;
    b.at = 0;
    b.ld = 16 * (((b.frames + 15) / 16) | 1);  // an odd number of cache lines: see native.pad
    b.memory.at_least((size_t)b.channels * b.ld + 64);
    for (int view : b.views) {
        Buffer& v = buffers[view];
        v.frames = b.frames, v.ld = b.ld, v.at = b.at, v.parts = b.parts;
    }
}

void Program::lay_out(const Op& op) {
    counts.clear();
    for (const Part& part : buffers[op.src].parts) counts.push_back(op.frames(part.frames));
    lay_out(op.dst, counts);
}

bool Program::alike(int one, int other) const {
    const auto &a = buffers[one].parts, &b = buffers[other].parts;
    return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](Part x, Part y) { return x.frames == y.frames; });
}

void Program::select(int utterance) {  // -1: all
    for (Buffer& b : buffers) {
        if (b.parts.empty()) continue;
        const Part last = b.parts.back();
        const Part part = utterance < 0 ? Part{0, last.first + last.frames} : b.parts[utterance];
        b.at = part.first, b.frames = part.frames;
    }
}

void Program::run(int input, const float* x, const int* frames, int utterances) {
    FlushDenormals flush;
    for (Buffer& b : buffers) b.parts.clear();
    lay_out(input, std::vector<int>(frames, frames + utterances));
    for (int c = 0; c < buffers[input].channels; c++)
        for (const Part& part : buffers[input].parts) {
            float* to = row(input, c) + part.first;
            const int padded = (part.frames + 15) / 16 * 16;
            std::memcpy(to, x, sizeof(float) * part.frames);
            std::memset(to + part.frames, 0, sizeof(float) * (padded - part.frames));
            x += part.frames;
        }
    for (auto& op : ops) {
        lay_out(*op);
        int longest = 0;
        for (const Part& part : buffers[op->dst].parts) longest = std::max(longest, part.frames);
        op->prepare(*this, longest);
    }
    for (size_t i = 0; i < ops.size();) {
        // A buffer may be reused with another number of frames, so each operation lays its own out again.
        lay_out(*ops[i]);
        if (!ops[i]->local()) {
            for (int u = 0; u < utterances; u++) select(u), ops[i]->whole(*this);
            select(-1);
            i++;
            continue;
        }
        size_t last = i + 1;
        while (last < ops.size() && ops[last]->local() && alike(ops[last]->src, ops[i]->dst)) lay_out(*ops[last]), last++;
        run_local(i, last);
        i = last;
    }
}

void Program::run_local(size_t first, size_t last) {
    size_t need = 0;
    for (size_t i = first; i < last; i++) need = std::max(need, ops[i]->scratch(*this));
    pool.run_tiles(vectors(ops[first]->dst), k->tile, [&](int from, int count, int worker) {
        float* space = worker_scratch(worker, need + 1);
        for (size_t i = first; i < last; i++) ops[i]->tile(*this, from, count, space);
    });
}
