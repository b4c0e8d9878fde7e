// Operations that treat every frame by itself.
#include "program.h"

namespace {

struct Place {  // where a tile lies in a buffer
    float* data;
    int64_t ld;
    int channels;
};

Place place(Program& p, int buffer, int v) {
    return {p.row(buffer, 0) + (int64_t)v * p.k->vl, p.buffers[buffer].ld, p.buffers[buffer].channels};
}

struct Linear : Op {
    Linear(int s, int d, const Matrix* m) : Op(s, d), m(m) {}
    size_t scratch(const Program& p) const override {
        const int frames = p.k->tile * p.k->vl;
        return linear_scratch(m, frames) / sizeof(float) + frames + 16;
    }
    void tile(Program& p, int v, int nv, float* space) override {
        Place x = place(p, src, v), y = place(p, dst, v);
        p.k->linear(m, x.data, x.ld, y.data, y.ld, nv, space);
    }
    const Matrix* m;
};

struct LayerNorm : Op {
    LayerNorm(int s, int d, int n, const float* g, const float* b, float eps)
        : Op(s, d), gain(g, g + n), bias(b, b + n), eps(eps) {}
    void tile(Program& p, int v, int nv, float*) override {
        Place x = place(p, src, v), y = place(p, dst, v);
        p.k->layer_norm(x.data, x.ld, y.data, y.ld, x.channels, nv, gain.data(), bias.data(), eps);
    }
    std::vector<float> gain, bias;
    float eps;
};

struct Activate : Op {
    Activate(int b, int kind) : Op(b, b), kind(kind) {}
    void tile(Program& p, int v, int nv, float*) override {
        Place x = place(p, src, v);
        p.k->activate(x.data, x.ld, x.channels, nv, kind);
    }
    int kind;
};

struct Glu : Op {
    using Op::Op;
    void tile(Program& p, int v, int nv, float*) override {
        Place x = place(p, src, v), y = place(p, dst, v);
        p.k->glu(x.data, x.ld, y.data, y.ld, y.channels, nv);
    }
};

struct Add : Op {
    Add(int s, int d, float scale) : Op(s, d), scale(scale) {}
    void tile(Program& p, int v, int nv, float*) override {
        Place x = place(p, src, v), y = place(p, dst, v);
        p.k->add(x.data, x.ld, y.data, y.ld, y.channels, nv, scale);
    }
    float scale;
};

struct Multiply : Op {
    using Op::Op;
    void tile(Program& p, int v, int nv, float*) override {
        Place x = place(p, src, v), y = place(p, dst, v);
        p.k->multiply(x.data, x.ld, y.data, y.ld, x.channels, nv);
    }
};

struct Affine : Op {
    Affine(int s, int d, int n, const float* a, const float* b) : Op(s, d), scale(a, a + n), shift(b, b + n) {}
    void tile(Program& p, int v, int nv, float*) override {
        Place x = place(p, src, v), y = place(p, dst, v);
        p.k->affine(x.data, x.ld, y.data, y.ld, x.channels, nv, scale.data(), shift.data());
    }
    std::vector<float> scale, shift;
};

struct Positions : Op {  // adds the sinusoids of absolute positions, which begin with every utterance
    explicit Positions(int b) : Op(b, b) {}
    bool local() const override { return false; }
    void prepare(Program& p, int) override {
        const Buffer& b = p.buffers[dst];
        if (b.ld <= ld) return;
        ld = b.ld;
        sinusoids(table.at_least((size_t)b.channels * ld), ld, b.channels, 0, 1, (int)ld);
    }
    void whole(Program& p) override {
        Place y = place(p, dst, 0);
        p.k->add(table.data(), ld, y.data, y.ld, y.channels, p.vectors(dst), 1.0f);
    }
    Floats table;
    int64_t ld = 0;
};

}  // namespace

std::unique_ptr<Op> make_linear(int s, int d, const Matrix* m) { return std::make_unique<Linear>(s, d, m); }
std::unique_ptr<Op> make_layer_norm(int s, int d, int n, const float* gain, const float* bias, float eps) {
    return std::make_unique<LayerNorm>(s, d, n, gain, bias, eps);
}
std::unique_ptr<Op> make_activate(int b, int kind) { return std::make_unique<Activate>(b, kind); }
std::unique_ptr<Op> make_glu(int s, int d) { return std::make_unique<Glu>(s, d); }
std::unique_ptr<Op> make_add(int s, int d, float scale) { return std::make_unique<Add>(s, d, scale); }
std::unique_ptr<Op> make_multiply(int s, int d) { return std::make_unique<Multiply>(s, d); }
std::unique_ptr<Op> make_affine(int s, int d, int n, const float* scale, const float* shift) {
    return std::make_unique<Affine>(s, d, n, scale, shift);
}
std::unique_ptr<Op> make_positions(int b) { return std::make_unique<Positions>(b); }
