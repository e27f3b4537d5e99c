// UniqueFunction: std::function for callables that move but do not copy (a completion is called once).
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

#include "base/result.hpp"

namespace joey {

template <class Signature>
class UniqueFunction;

template <class R, class... Args>
class UniqueFunction<R(Args...)> {
 public:
  UniqueFunction() = default;
  UniqueFunction(std::nullptr_t) {}

  template <class F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, UniqueFunction> && std::is_invocable_r_v<R, F&, Args...>)
  UniqueFunction(F&& f) : target_(std::make_unique<Holder<std::decay_t<F>>>(std::forward<F>(f))) {}

  R operator()(Args... args) const { return target_->call(std::forward<Args>(args)...); }
  explicit operator bool() const { return target_ != nullptr; }

 private:
  struct Target {
    virtual ~Target() = default;
    virtual R call(Args... args) = 0;
  };
  template <class F>
  struct Holder final : Target {
    explicit Holder(F callable) : f(std::move(callable)) {}
    R call(Args... args) override { return f(std::forward<Args>(args)...); }
    F f;
  };
  std::unique_ptr<Target> target_;
};

// What an asynchronous call ends with: called exactly once, on the loop thread, never inside the call that took it.
template <class T>
using Completion = UniqueFunction<void(Result<T>)>;

}  // namespace joey
