#include "app/endpoint.h"

#include "base/parse.h"

namespace kvorum::app {

Result<client::Endpoint> parse_endpoint(std::string_view text, std::uint16_t port,
                                        const std::string& flag) {
  client::Endpoint endpoint;
  const auto colon = text.rfind(':');
  endpoint.host = text.substr(0, colon);
  endpoint.port = port;
  if (colon != std::string_view::npos) {
    const auto named = parse_number<std::uint16_t>(text.substr(colon + 1));
    if (!named || *named == 0) {
      return fail(ErrorCode::kConfig, "{}: '{}' is no port", flag, text.substr(colon + 1));
    }
    endpoint.port = *named;
  }
  if (endpoint.host.empty() || endpoint.host.find_first_of("/@:?# ") != std::string::npos) {
    return fail(ErrorCode::kConfig, "{}: '{}' is no host:port", flag, text);
  }
  return endpoint;
}

}  // namespace kvorum::app
