#include "pool.h"
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

Pool::Pool(int threads) {
    for (int i = 1; i < threads; i++) workers.emplace_back([this, i] { work(i); });
}

Pool::~Pool() {
    {
        std::lock_guard<std::mutex> lock(mutex);
        stop = true;
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
    uint64_t seen = 0;
    std::unique_lock<std::mutex> lock(mutex);
    for (;;) {
        wake.wait(lock, [&] { return stop || round != seen; });
        if (stop) return;
        seen = round;
        lock.unlock();
        drain(worker);
        lock.lock();
        if (--busy == 0) done.notify_one();
    }
}

void Pool::run(int n, const std::function<void(int, int)>& f) {
    if (workers.empty() || n <= 1) {
        for (int i = 0; i < n; i++) f(i, 0);
        return;
    }
    {
        std::lock_guard<std::mutex> lock(mutex);
        task = &f;
        count = n;
        next = 0;
        busy = (int)workers.size();
        round++;
    }
    wake.notify_all();
    drain(0);
    std::unique_lock<std::mutex> lock(mutex);
    done.wait(lock, [&] { return busy == 0; });
    if (failed.exchange(false)) throw std::bad_alloc();
}
