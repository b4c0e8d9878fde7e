// Packed weight matrices, as the kernels read them. Plain data: no code here, so that every
// instruction-set build may include it. Made by pack.cpp.
#pragma once
#include <cstdint>

enum MatrixKind : int32_t {
    AUTO = 0,    // pack.cpp chooses by its cost model
    DENSE = 1,   // panels of PANEL rows, column by column
    SPARSE = 2,  // single weights: groups of GROUP rows of like length, in blocks of at most K_BLOCK columns
    INT8 = 3,    // four inputs of one row together, 8-bit weights, one scale a row
    BLOCK = 4,   // `height` consecutive rows share a column
    // for one frame at a time: LANES rows in lanes; single weights, LANES x 1 blocks (dense: every column), or single
    // weights, those of TILE columns together
    VECTOR_SPARSE = 5,
    VECTOR_BLOCK = 6,
    VECTOR = 7,  // pack.cpp chooses one of these three
    VECTOR_TILED = 8,
};

constexpr int PANEL = 6;
constexpr int GROUP = 4;
constexpr int LANES = 16;
constexpr int TILE = 32;
constexpr int K_BLOCK = 128;  // columns of a block: its activations (x 64 frames) fit in L1
constexpr int K_WHOLE = 256;  // up to here one block is better

// rows x cols weights times activations [cols][frames]. Every array is followed by at least 64 spare bytes.
struct Matrix {
    int32_t kind, rows, cols, height;
    const float* bias;      // [rows]
    const float* value;     // DENSE [panels][cols][PANEL]; SPARSE, BLOCK: see below
    // SPARSE: block b holds the groups first[b] .. first[b + 1] - 1; group g holds `length[g]` steps of GROUP
    // entries, from entry offset[g] * GROUP on; col is relative to column b * K_BLOCK; row is -1 for a spare row
    int32_t blocks;
    const int32_t* first;   // SPARSE [blocks + 1]; BLOCK, INT8: entries of each block row, [n + 1]
    const int32_t* length;  // VECTOR_TILED [groups][tiles]: entries
    const int64_t* offset;
    const int32_t* row;     // [groups][GROUP]
    const uint8_t* col;     // [entries][GROUP]; VECTOR_TILED [entries][LANES], from the tile's first column on
    // BLOCK: entry j holds column wide[j] and value[j * height ...]; VECTOR_BLOCK the same with height LANES;
    // VECTOR_SPARSE: entry j holds LANES columns and LANES values; VECTOR_TILED: LANES of `col` and LANES values.
    // All three have `row` [groups][LANES] and the first entry of each group. INT8: inputs 4 * wide[j] ... + 3
    const uint16_t* wide;
    const int32_t* packed;  // INT8 [entries]: four int8
    const float* scale;     // INT8 [rows]
    const int32_t* sum;     // INT8 [rows]: sum of the row's codes
    int64_t work;           // multiply-adds for one frame, zeros that are multiplied included
};
