#include "dispatch.h"
#include <cstdlib>
#include <cstring>

namespace {

const Kernels* const ALL[] = {  // best first
#ifdef AL_X86
    &al_kernels_vnni, &al_kernels_avx512, &al_kernels_avx2,
#endif
    &al_kernels_plain,
};

}  // namespace

bool can_run(const Kernels* k) {
#ifdef AL_X86
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    if (k == &al_kernels_avx2) return avx2;
    if (k == &al_kernels_avx512) return avx512;
    if (k == &al_kernels_vnni) return avx512 && __builtin_cpu_supports("avx512vnni");
#endif
    return k == &al_kernels_plain;
}

const Kernels* kernels() {
    const char* wanted = std::getenv("AUDIO_LOTTERY_ISA");
    const bool any = !wanted || !*wanted;
    for (const Kernels* k : ALL)
        if ((any || std::strcmp(wanted, k->name) == 0) && can_run(k)) return k;
    return nullptr;
}
