// Which request means what.
#include <algorithm>
#include <boost/algorithm/string/case_conv.hpp>

#include "base/ascii.h"
#include "front/http_exchange.h"

namespace kvorum::front {
namespace {

struct Path {
  ByteView path;
  std::vector<Method> methods;
  bool prefix = false;  // `path` and whatever follows it
  bool admin = false;
};

const std::vector<Path>& paths() {
  static const std::vector<Path> kPaths = {
      {"/v1/kv/", {Method::kGet, Method::kPut, Method::kDelete}, true},
      {"/v1/kv", {Method::kGet}},
      {"/v1/status", {Method::kGet}, false, true},
      {"/metrics", {Method::kGet}, false, true},
      {"/healthz", {Method::kGet}, false, true},
      {"/put", {Method::kPut}},
      {"/get", {Method::kGet, Method::kPost}},
      {"/get-prefix", {Method::kGet, Method::kPost}},
      {"/delete", {Method::kDelete}},
      {"/", {Method::kGet}},
  };
  return kPaths;
}

std::string names(const std::vector<Method>& methods) {
  std::string out;
  for (const auto method : methods) {
    out += out.empty() ? "" : ", ";
    out += method == Method::kGet    ? "GET, HEAD"
           : method == Method::kPut  ? "PUT"
           : method == Method::kPost ? "POST"
                                     : "DELETE";
  }
  return out;
}

// The page that lists the machines.
HttpResponse index(const HttpOptions& options) {
  Bytes rows;
  for (const auto& machine : options.machines) {
    const auto address = fmt::format("{}:{}", machine.host, machine.http_port);
    rows += fmt::format("<li><a href=\"http://{0}/\">node {1}: {0}</a>{2}</li>\n", address,
                        machine.id.value(), machine.id == options.self ? " (this one)" : "");
  }
  return {200, "text/html; charset=utf-8",
          fmt::format("<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">"
                      "<title>kvorum node {0}</title>\n"
                      "<style>:root{{color-scheme:light dark}}body{{font:1rem/1.5 system-ui;"
                      "max-width:40rem;margin:2rem auto;padding:0 1rem}}</style>\n"
                      "<h1>kvorum node {0}</h1>\n<p>version {1} &middot; "
                      "<a href=\"/v1/status\">status</a> &middot; <a href=\"/metrics\">metrics</a>"
                      " &middot; <a href=\"/v1/kv?values=false\">keys</a></p>\n"
                      "<h2>Machines</h2>\n<ul>\n{2}</ul>\n</html>\n",
                      options.self.value(), options.version, rows),
          "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\n"};
}

// Route::origin for a request of this one.
Bytes allowed(const HttpOptions& options, const Bytes& origin) {
  const auto has = [&options](ByteView one) {
    return std::find(options.origins.begin(), options.origins.end(), one) != options.origins.end();
  };
  return origin.empty() ? "" : has("*") ? "*" : has(origin) ? origin : "";
}

// The name in an authority (RFC 3986, 3.2), in lower case: no port, no dot at its end. Of an
// address in brackets just a part.
Bytes host_name(ByteView authority) {
  Bytes name(authority.substr(0, authority.find(':')));
  if (name.ends_with('.')) {
    name.pop_back();
  }
  boost::algorithm::to_lower(name, std::locale::classic());
  return name;
}

// Whether a request to this host (RFC 9110, 7.2) can come from a page that the machine's user
// trusts with it: no name that somebody else may have given this address. Addresses, localhost, the
// cluster's own hosts and those of the allowed origins are none; programs that are no browsers may
// leave it out.
bool is_ours(const HttpOptions& options, ByteView host) {
  if (host.starts_with('[') ||
      host.substr(0, host.find(':')).find_first_not_of("0123456789.") == ByteView::npos) {
    return true;
  }
  const auto name = host_name(host);
  const auto is_origins = [&name](ByteView origin) {
    const auto scheme = origin.find("//");
    return origin == "*" ||
           (scheme != ByteView::npos && host_name(origin.substr(scheme + 2)) == name);
  };
  const auto is_machines = [&name](const Machine& machine) {
    return host_name(machine.host) == name;
  };
  return name == "localhost" || name.ends_with(".localhost") ||
         std::any_of(options.machines.begin(), options.machines.end(), is_machines) ||
         std::any_of(options.origins.begin(), options.origins.end(), is_origins);
}

// A page of another origin asks whether it may (the Fetch standard's preflight).
HttpResponse preflight(const Path& path) {
  HttpResponse response{204, "", {}, {}};
  response.add_field("Access-Control-Allow-Methods", names(path.methods));
  response.add_field("Access-Control-Allow-Headers",
                     "Content-Type, If-Match, If-None-Match, Kvorum-Level, Kvorum-Keyspace, "
                     "Kvorum-Session, Kvorum-Context");
  response.add_field("Access-Control-Max-Age", "600");
  return response;
}

Routed dispatch(HttpRequest& request, const HttpTarget& target, const Path& path,
                const HttpOptions& options) {
  if (path.prefix) {
    return kv_exchange(request, target, options);
  }
  if (path.path == "/v1/kv") {
    return list_exchange(request, target);
  }
  if (path.admin) {
    return admin_exchange(target, options);
  }
  return path.path == "/" ? Routed(index(options)) : older_exchange(request, target, options);
}

Route refuse(HttpResponse response) { return {std::move(response), {}}; }

}  // namespace

Result<Ask> parse_ask(const HttpRequest& request, const HttpTarget& target,
                      std::span<const ByteView> others) {
  // Who forgot what to put there means something else than who left it out.
  constexpr Field kSaySomething[] = {Field::kIfMatch,  Field::kIfNoneMatch, Field::kLevel,
                                     Field::kKeyspace, Field::kSession,     Field::kContext};
  if (request.blank && std::find(std::begin(kSaySomething), std::end(kSaySomething),
                                 *request.blank) != std::end(kSaySomething)) {
    return fail(ErrorCode::kGeneric,
                "an If-Match, If-None-Match or Kvorum field is there, and empty");
  }
  Ask ask;
  ask.level = request.field(Field::kLevel);
  ask.session = request.field(Field::kSession);
  ask.context = request.field(Field::kContext);
  if (!request.field(Field::kKeyspace).empty()) {
    ask.keyspace = request.field(Field::kKeyspace);
  }
  Bytes counts;
  for (const auto& [name, value] : target.query) {
    if (name == "level" && value.empty()) {
      return fail(ErrorCode::kLevel, "level= names none");
    }
    const bool other_level = name == "level" && !ask.level.empty() && !same_word(ask.level, value);
    const auto& keyspace = request.field(Field::kKeyspace);
    if (other_level || (name == "keyspace" && !keyspace.empty() && keyspace != value)) {
      return fail(ErrorCode::kGeneric, "the query names another {} than the header", name);
    }
    if (name == "level") {
      ask.level = value;
    } else if (name == "w" || name == "r") {
      counts += (counts.empty() ? "" : ",") + name + "=" + value;
    } else if (name == "keyspace") {
      ask.keyspace = value;
    } else if (std::find(others.begin(), others.end(), name) == others.end()) {
      return fail(ErrorCode::kGeneric, "nothing here knows '{}' in a query", name);
    }
  }
  if (!counts.empty()) {
    if (!ask.level.empty()) {
      return fail(ErrorCode::kGeneric, "w and r are a level: name them or another one");
    }
    ask.level = counts;
  }
  return ask;
}

Route route(HttpRequest& request, const HttpOptions& options) {
  if (options.loopback && !is_ours(options, request.field(Field::kHost))) {
    return refuse(error_response(
        421, "HOST", "this node listens for its own machine: name it localhost, or its address"));
  }
  const auto& from = request.field(Field::kOrigin);
  auto origin = allowed(options, from);
  const auto target = parse_target(request.target);
  if (!target) {
    return {error_response(target.error()), std::move(origin)};
  }
  const auto& all = paths();
  const auto path = std::find_if(all.begin(), all.end(), [&target](const Path& one) {
    return one.prefix ? target->path.starts_with(one.path) : target->path == one.path;
  });
  if (path == all.end()) {
    return {error_response(404, "NOTFOUND", "there is nothing of that name here"),
            std::move(origin)};
  }
  if (path->admin) {
    origin.clear();
  }
  const bool stranger = !from.empty() && origin.empty();
  constexpr ByteView kStranger = "pages of that origin may not use this node";
  if (request.method == Method::kOptions && !from.empty()) {
    return stranger ? refuse(error_response(403, "ORIGIN", kStranger))
                    : Route{preflight(*path), std::move(origin)};
  }
  const bool reads = request.method == Method::kGet || request.method == Method::kHead;
  const auto method = request.method == Method::kHead ? Method::kGet : request.method;
  if (std::find(path->methods.begin(), path->methods.end(), method) == path->methods.end()) {
    auto response = error_response(405, "METHOD", "that path has other methods: see Allow");
    response.add_field("Allow", names(path->methods));
    return {std::move(response), std::move(origin)};
  }
  // No page may write that was not allowed to, even where its browser asks no leave beforehand.
  if (!reads && stranger) {
    return refuse(error_response(403, "ORIGIN", kStranger));
  }
  return {dispatch(request, *target, *path, options), std::move(origin)};
}

}  // namespace kvorum::front
