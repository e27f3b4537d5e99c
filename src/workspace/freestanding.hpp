// What joey's freestanding programs share: system calls, and what the compiler expects of a C library.
//
// Included once by the one source file of each program.
#pragma once

#include <asm/unistd.h>
#include <signal.h>
#include <stddef.h>

namespace joey::freestanding {

// The kernel's answer: a value, or minus an errno.
inline long system_call(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0) {
#if defined(__x86_64__)
  register long r10 asm("r10") = d;
  register long r8 asm("r8") = e;
  register long r9 asm("r9") = 0;
  long result;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return result;
#elif defined(__aarch64__)
  register long x8 asm("x8") = number;
  register long x0 asm("x0") = a;
  register long x1 asm("x1") = b;
  register long x2 asm("x2") = c;
  register long x3 asm("x3") = d;
  register long x4 asm("x4") = e;
  register long x5 asm("x5") = 0;
  asm volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
#else
#error "joey does not know how this machine calls its kernel"
#endif
}

template <class T>
long address(T* pointer) {
  return reinterpret_cast<long>(pointer);
}

[[noreturn]] inline void exit_now(int code) {
  for (;;) system_call(__NR_exit_group, code);
}

using SignalMask = unsigned long;  // the kernel's sigset_t: 64 bits

inline constexpr int signal_max = 64;

constexpr SignalMask mask_of(int signal) { return 1UL << (signal - 1); }

inline long set_blocked_signals(SignalMask mask) {
  return system_call(__NR_rt_sigprocmask, SIG_SETMASK, address(&mask), 0, sizeof mask);
}

// Also what the host ignores: exec keeps that.
inline void reset_signals() {
  constexpr unsigned long by_default[4] = {};  // struct sigaction of the kernel, SIG_DFL
  for (int signal = 1; signal <= signal_max; ++signal) {
    system_call(__NR_rt_sigaction, signal, address(by_default), 0, sizeof(SignalMask));
  }
}

}  // namespace joey::freestanding

// The compiler calls these for copies of structures.
extern "C" void* memcpy(void* to, const void* from, size_t size) {
  for (size_t i = 0; i < size; ++i) static_cast<volatile char*>(to)[i] = static_cast<const char*>(from)[i];
  return to;
}
extern "C" void* memset(void* to, int byte, size_t size) {
  for (size_t i = 0; i < size; ++i) static_cast<volatile char*>(to)[i] = static_cast<char>(byte);
  return to;
}

// Calls the program's main with what the kernel left on the stack: the count, the arguments, a null, the environment.
extern "C" [[noreturn]] void joey_program_main(long* stack);
#if defined(__x86_64__)
asm(".text\n.globl _start\n_start:\n xor %ebp, %ebp\n mov %rsp, %rdi\n and $-16, %rsp\n call joey_program_main\n");
#elif defined(__aarch64__)
asm(".text\n.globl _start\n_start:\n mov x29, #0\n mov x0, sp\n bl joey_program_main\n");
#endif
