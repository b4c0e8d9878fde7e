// The C interface to matrices and single kernels. Programs (whole networks): program.cpp.
#include "api.h"
#include "dispatch.h"
#include "pack.h"
#include "pool.h"
#include <cstring>
#include <vector>

// Which sources and flags this library was built from; build.py looks for it.
AL_API const char* al_build(void) { return AL_BUILD; }

AL_API const char* al_isa(void) {
    const Kernels* k = kernels();
    return k ? k->name : "";
}

AL_API int al_vector(void) {
    const Kernels* k = kernels();
    return k ? k->vl : 0;
}

AL_API PackedMatrix* al_matrix(const float* w, int rows, int cols, const float* bias, int kind, int height) {
    const Kernels* k = kernels();
    return k ? pack(w, rows, cols, bias, kind, height, k->vl) : nullptr;
}

AL_API PackedMatrix* al_matrix_int8(const int8_t* codes, const float* scale, int rows, int cols, const float* bias) {
    return pack_int8(codes, scale, rows, cols, bias);
}

AL_API void al_matrix_free(PackedMatrix* m) { delete m; }
AL_API int al_matrix_kind(const PackedMatrix* m) { return m->kind; }
AL_API int al_matrix_height(const PackedMatrix* m) { return m->kind == BLOCK ? m->height : 0; }
AL_API int64_t al_matrix_work(const PackedMatrix* m) { return m->work; }

// x [cols] -> y [rows, rounded up to 16]
AL_API void al_matvec(const PackedMatrix* m, const float* x, float* y) { kernels()->matvec(m, x, y, false); }

AL_API Pool* al_pool(int threads) { return new Pool(threads); }
AL_API void al_pool_free(Pool* pool) { delete pool; }

// x [cols][ld] -> y [rows][ld]; both hold whole vectors of frames. pool: null, or whose threads share the frames.
AL_API int al_linear(const PackedMatrix* m, const float* x, float* y, int64_t ld, int frames, Pool* pool) {
    const Kernels* k = kernels();
    const int vectors = (frames + k->vl - 1) / k->vl;
    Pool alone(1);
    Pool& threads = pool ? *pool : alone;
    const size_t each = linear_scratch(m, k->tile * k->vl) + sizeof(float) * k->tile * k->vl;
    try {
        std::vector<char> scratch(each * threads.threads());
        threads.run_tiles(vectors, k->tile, [&](int from, int count, int worker) {
            k->linear(m, x + from * k->vl, ld, y + from * k->vl, ld, count, scratch.data() + worker * each);
        });
        return 0;
    } catch (const std::bad_alloc&) {
        return 1;
    }
}
