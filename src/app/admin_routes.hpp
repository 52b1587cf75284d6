#pragma once

#include <vector>

#include "tollgate/admin/http_service.hpp"
#include "tollgate/base/result.hpp"

namespace tollgate::app {

class Gateway;
struct Adjustment;
struct ScopeStanding;

/// What operators can ask of a running gateway: over the admin port (token) and over the control
/// socket (file permissions). The command line is a client of the latter.
class AdminRoutes {
 public:
  explicit AdminRoutes(Gateway& gateway) : gateway_(gateway) {}
  /// /healthz, /readyz, /metrics, and the read-only JSON API.
  [[nodiscard]] std::vector<admin::Route> admin();
  /// Keys, budgets, ledger, loops, reload.
  [[nodiscard]] std::vector<admin::Route> control();

 private:
  admin::Response ready() const;
  /// As ready, with the URL of each listener.
  admin::Response health() const;
  admin::Response metrics() const;
  admin::Response budgets() const;
  admin::Response loops() const;
  admin::Response lift_loops(const admin::Request& request);
  admin::Response keys() const;
  admin::Response status() const;
  admin::Response create_key(const admin::Request& request);
  admin::Response revoke_key(const admin::Request& request);
  admin::Response reload();
  admin::Response verify_ledger();
  admin::Response adjust_ledger(const admin::Request& request);
  base::Result<ScopeStanding> standing_of(const Adjustment& adjustment) const;

  Gateway& gateway_;
};

}  // namespace tollgate::app
