#pragma once

#include <boost/system/result.hpp>
#include <stdexcept>
#include <utility>

#include "tollgate/base/error.hpp"

namespace tollgate::base {

/// A value or an Error. The data path never throws; start-up code may.
template <class T>
using Result = boost::system::result<T, Error>;

/// Called by boost::system::result::value() on an error: a caller that did not check has a bug.
[[noreturn]] inline void throw_exception_from_error(const Error& error,
                                                    const boost::source_location&) {
  throw std::runtime_error(std::string(info(error.code()).name) + ": " + error.message());
}

}  // namespace tollgate::base

/// Assigns the value of a Result to `target`, or returns its error from the enclosing function.
#define TG_CONCAT_(a, b) a##b
#define TG_CONCAT(a, b) TG_CONCAT_(a, b)
#define TG_TRY(target, expr)                                   \
  auto TG_CONCAT(tg_result_, __LINE__) = (expr);               \
  if (TG_CONCAT(tg_result_, __LINE__).has_error())             \
    return std::move(TG_CONCAT(tg_result_, __LINE__)).error(); \
  target = std::move(*TG_CONCAT(tg_result_, __LINE__))
#define TG_CHECK(expr) \
  if (auto tg_check_ = (expr); tg_check_.has_error()) return std::move(tg_check_).error()
