// What Python calls through ctypes.
#pragma once
#define AL_API extern "C" __attribute__((visibility("default")))
