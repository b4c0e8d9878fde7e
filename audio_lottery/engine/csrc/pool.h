// A few threads that wait for work, places where threads meet, and memory that begins at a cache line.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <new>
#include <thread>
#include <vector>

// Threads wait by looking for about 0.1 ms, since waking one that sleeps takes as long as a small layer; then they sleep.
class Pool {
public:
    explicit Pool(int threads);
    ~Pool();
    int threads() const { return (int)workers.size() + 1; }
    // task(index, worker) for every index below count, worker < threads(); returns when all are done. Throws
    // bad_alloc when a task threw: memory is all they can run out of
    void run(int count, const std::function<void(int, int)>& task);
    // task(first, count, worker) for tiles of at most `most`, so that all threads have as many; together 0 to total
    void run_tiles(int total, int most, const std::function<void(int, int, int)>& task);

private:
    void work(int worker);
    void drain(int worker);
    std::vector<std::thread> workers;
    std::mutex mutex;
    std::condition_variable wake, done;
    const std::function<void(int, int)>* task = nullptr;
    std::atomic<int> next{0};
    std::atomic<bool> failed{false};
    std::atomic<int> busy{0};
    std::atomic<uint64_t> round{0};  // changes under the lock, so that no sleeper misses it
    int count = 0, asleep = 0;
    bool stop = false;
};

// Where threads wait for each other, again and again, without ever sleeping: a meeting takes less than a microsecond.
class Barrier {
public:
    explicit Barrier(int threads) : threads(threads) {}
    void wait();

private:
    const int threads;
    std::atomic<int> there{0};
    std::atomic<unsigned> met{0};
};

// Denormal numbers are flushed to zero while one of these lives: they cost a hundred cycles each.
class FlushDenormals {
public:
    FlushDenormals();
    ~FlushDenormals();

private:
    unsigned saved = 0;
};

class Floats {  // grows, never shrinks; zeroed when it grows
public:
    Floats() = default;
    Floats(Floats&& other) noexcept : p(other.p), size(other.size) { other.p = nullptr, other.size = 0; }
    Floats(const Floats&) = delete;
    ~Floats() { std::free(p); }
    float* at_least(size_t n) {
        if (n <= size) return p;
        std::free(p);
        size = (n + 63) / 32 * 32;
        // more than the machine has: the kernel might say yes and kill the process later
        p = size <= machine_floats() ? static_cast<float*>(std::aligned_alloc(64, size * sizeof(float))) : nullptr;
        if (!p) {
            size = 0;
            throw std::bad_alloc();
        }
        for (size_t i = 0; i < size; i++) p[i] = 0;
        return p;
    }
    float* data() const { return p; }

private:
    static size_t machine_floats();
    float* p = nullptr;
    size_t size = 0;
};
