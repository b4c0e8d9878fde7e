#pragma once
#include "kernels.h"

// The kernels for this processor: the best it can run, or the ones AUDIO_LOTTERY_ISA names (plain, avx2,
// avx512, vnni). Null when that name is unknown or the processor cannot run it.
const Kernels* kernels();
bool can_run(const Kernels* k);
