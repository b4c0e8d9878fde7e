#include "pool.h"
#include <algorithm>
#include <unistd.h>
#ifdef AL_X86
#include <xmmintrin.h>
#endif

FlushDenormals::FlushDenormals() {
#ifdef AL_X86
    saved = _mm_getcsr();
    _mm_setcsr(saved | 0x8040);  // flush to zero, denormals are zero
#endif
}

FlushDenormals::~FlushDenormals() {
#ifdef AL_X86
    _mm_setcsr(saved);
#endif
}

size_t Floats::machine_floats() {
    static const size_t floats = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGE_SIZE) / sizeof(float);
    return floats;
}

namespace {

constexpr int LOOKS = 2000;

inline void breathe() {
#ifdef AL_X86
    _mm_pause();
#endif
}

}  // namespace

void Barrier::wait() {
    if (threads == 1) return;
    const unsigned before = met.load(std::memory_order_relaxed);
    if (there.fetch_add(1, std::memory_order_acq_rel) + 1 == threads) {
        there.store(0, std::memory_order_relaxed);
        met.store(before + 1, std::memory_order_release);
        return;
    }
    for (int looks = 0; met.load(std::memory_order_acquire) == before; looks++) {
        if (looks < LOOKS) breathe();
        else std::this_thread::yield();  // more threads than processors, or a busy machine
    }
}

Pool::Pool(int threads) {
    for (int i = 1; i < threads; i++) workers.emplace_back([this, i] { work(i); });
}

Pool::~Pool() {
    {
        std::lock_guard<std::mutex> lock(mutex);
        stop = true;
        round++;
    }
    wake.notify_all();
    for (auto& worker : workers) worker.join();
}

void Pool::drain(int worker) {
    try {
        for (int i; (i = next.fetch_add(1)) < count;) (*task)(i, worker);
    } catch (...) {
        failed = true;
    }
}

void Pool::work(int worker) {
    FlushDenormals flush;
    for (uint64_t seen = 0;; seen++) {  // nobody leaves out a round: run() waits for all
        for (int looks = 0; looks < LOOKS && round.load(std::memory_order_acquire) == seen; looks++) breathe();
        if (round.load(std::memory_order_acquire) == seen) {
            std::unique_lock<std::mutex> lock(mutex);
            asleep++;
            wake.wait(lock, [&] { return round.load(std::memory_order_acquire) != seen; });
            asleep--;
        }
        if (stop) return;
        drain(worker);
        if (busy.fetch_sub(1, std::memory_order_acq_rel) == 1) {
            std::lock_guard<std::mutex> lock(mutex);
            done.notify_one();
        }
    }
}

void Pool::run(int n, const std::function<void(int, int)>& f) {
    if (workers.empty() || n <= 1) {
        for (int i = 0; i < n; i++) f(i, 0);
        return;
    }
    bool sleepers;
    task = &f;
    count = n;
    next = 0;
    busy = (int)workers.size();
    {
        std::lock_guard<std::mutex> lock(mutex);
        round++;
        sleepers = asleep > 0;
    }
    if (sleepers) wake.notify_all();
    drain(0);
    for (int looks = 0; looks < LOOKS && busy.load(std::memory_order_acquire); looks++) breathe();
    if (busy.load(std::memory_order_acquire)) {
        std::unique_lock<std::mutex> lock(mutex);
        done.wait(lock, [&] { return busy.load(std::memory_order_acquire) == 0; });
    }
    if (failed.exchange(false)) throw std::bad_alloc();
}

void Pool::run_tiles(int total, int most, const std::function<void(int, int, int)>& f) {
    int tiles = (total + most - 1) / most;
    if (threads() > 1) tiles = std::min(total, (tiles + threads() - 1) / threads() * threads());
    run(tiles, [&](int t, int worker) {
        const int from = (int)((int64_t)total * t / tiles), to = (int)((int64_t)total * (t + 1) / tiles);
        f(from, to - from, worker);
    });
}
