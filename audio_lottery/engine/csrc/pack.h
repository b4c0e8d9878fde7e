// Turns plain row-major weights into packed matrices.
#pragma once
#include "kernels.h"
#include <vector>

struct PackedMatrix : Matrix {  // owns the arrays that Matrix points to
    std::vector<float> values, biases, scales;
    std::vector<int32_t> firsts, lengths, rows_of, codes, sums;
    std::vector<int64_t> offsets;
    std::vector<uint8_t> narrow;
    std::vector<uint16_t> wides;
};

// weights [rows][cols]; bias [rows] or null. `kind` AUTO: whatever costs least on this instruction set.
PackedMatrix* pack(const float* weights, int rows, int cols, const float* bias, int kind, int height, int vl);

// codes [rows][cols], scale [rows]: weights that are 8 bits already.
PackedMatrix* pack_int8(const int8_t* codes, const float* scale, int rows, int cols, const float* bias);
