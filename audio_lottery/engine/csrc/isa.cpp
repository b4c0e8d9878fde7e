// One instruction set's kernels. build.py compiles this file several times, each with its own flags and
// AL_ISA. No standard library here: an inline function compiled for AVX-512 must never be the one that the
// linker keeps for everybody.
#include "kernels.h"
#include "vec.h"

namespace {
#include "rows.inl"
#include "int8.inl"
#include "linear.inl"
#include "pointwise.inl"
#include "attention.inl"
#include "recurrent.inl"
}  // namespace

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define TEXT_(a) #a
#define TEXT(a) TEXT_(a)

extern "C" const Kernels JOIN(al_kernels_, AL_ISA) = {
    TEXT(AL_ISA), VL, MANY_REGISTERS ? 4 : 6, linear, linear_from, layer_norm, activate, glu, add, multiply, affine, depthwise,
    attention, attention_scratch, matvec, lstm_step, gru_step, turn, pool, stride, halve,
};
