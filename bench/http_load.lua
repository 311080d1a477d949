-- For wrk, which bench/peers.py runs: GET or PUT of 100,000 keys at one of our nodes, or the same
-- as JSON at etcd's gateway. Arguments: kvorum or etcd, put or get, the query.
local digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
local function base64(text)
  return ((text:gsub(".", function(c)
    local bits = ""
    for i = 7, 0, -1 do bits = bits .. math.floor(c:byte() / 2 ^ i) % 2 end
    return bits
  end) .. "0000"):gsub("%d%d%d?%d?%d?%d?", function(bits)
    if #bits < 6 then return "" end
    local at = tonumber(bits, 2) + 1
    return digits:sub(at, at)
  end) .. ({"", "==", "="})[#text % 3 + 1])
end
local requests, at = {}, 0
function init(args)
  local system, op, query = args[1], args[2], args[3] or ""
  local value = string.rep("x", 64)
  math.randomseed(os.time())
  for i = 1, 20000 do
    local key = string.format("key:%012d", math.random(0, 99999))
    if system == "kvorum" then
      requests[i] = wrk.format(op == "put" and "PUT" or "GET", "/v1/kv/" .. key .. query, nil,
                               op == "put" and value or nil)
    else
      local body = '{"key":"' .. base64(key) .. '"'
      if op == "put" then body = body .. ',"value":"' .. base64(value) .. '"' end
      local path = op == "put" and "/v3/kv/put" or "/v3/kv/range"
      requests[i] = wrk.format("POST", path, nil, body .. query .. "}")
    end
  end
end
function request()
  at = at % #requests + 1
  return requests[at]
end
