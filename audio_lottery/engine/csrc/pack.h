// Turns plain row-major weights into packed matrices.
#pragma once
#include "kernels.h"
#include <new>
#include <vector>

// Memory that begins at a cache line: whole vectors that straddle two lines are read at half the speed.
template <typename T>
struct AtLine {
    using value_type = T;
    static constexpr std::align_val_t LINE{64};
    AtLine() = default;
    template <typename U>
    AtLine(const AtLine<U>&) {}
    T* allocate(size_t n) { return static_cast<T*>(::operator new(n * sizeof(T), LINE)); }
    void deallocate(T* p, size_t) { ::operator delete(p, LINE); }
    bool operator==(const AtLine&) const { return true; }
    bool operator!=(const AtLine&) const { return false; }
};

template <typename T>
using Array = std::vector<T, AtLine<T>>;

struct PackedMatrix : Matrix {  // owns the arrays that Matrix points to
    Array<float> values, biases, scales;
    Array<int32_t> firsts, lengths, rows_of, codes, sums;
    Array<int64_t> offsets;
    Array<uint8_t> narrow;
    Array<uint16_t> wides;
};

// weights [rows][cols]; bias [rows] or null. `kind` AUTO: whatever costs least on this instruction set.
PackedMatrix* pack(const float* weights, int rows, int cols, const float* bias, int kind, int height, int vl);

// codes [rows][cols], scale [rows]: weights that are 8 bits already.
PackedMatrix* pack_int8(const int8_t* codes, const float* scale, int rows, int cols, const float* bias);
