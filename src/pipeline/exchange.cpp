#include "tollgate/pipeline/exchange.hpp"

namespace tollgate::pipeline {

std::string_view to_string(TransportFailure failure) noexcept {
  switch (failure) {
    case TransportFailure::none:
      return "none";
    case TransportFailure::dns:
      return "dns";
    case TransportFailure::connect:
      return "connect";
    case TransportFailure::tls:
      return "tls";
    case TransportFailure::pool_exhausted:
      return "pool_exhausted";
    case TransportFailure::stale_connection:
      return "stale_connection";
    case TransportFailure::reset:
      return "reset";
    case TransportFailure::first_byte_timeout:
      return "first_byte_timeout";
    case TransportFailure::cut:
      return "cut";
    case TransportFailure::idle_timeout:
      return "idle_timeout";
    case TransportFailure::invalid:
      return "invalid";
    case TransportFailure::too_large:
      return "too_large";
    case TransportFailure::total_timeout:
      return "total_timeout";
    case TransportFailure::cancelled:
      return "cancelled";
  }
  return "?";
}

bool may_have_been_sent(TransportFailure failure) noexcept {
  switch (failure) {
    case TransportFailure::none:
    case TransportFailure::dns:
    case TransportFailure::connect:
    case TransportFailure::tls:
    case TransportFailure::pool_exhausted:
      return false;
    case TransportFailure::stale_connection:
    case TransportFailure::reset:
    case TransportFailure::first_byte_timeout:
    case TransportFailure::cut:
    case TransportFailure::idle_timeout:
    case TransportFailure::invalid:
    case TransportFailure::too_large:
    case TransportFailure::total_timeout:
    case TransportFailure::cancelled:
      return true;
  }
  return true;
}

}  // namespace tollgate::pipeline
