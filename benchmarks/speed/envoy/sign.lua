-- Signs requests as the service wants it: HMAC-SHA256 over verb, target, date, host and body hash.
-- Envoy gives Lua no digest, so SHA-256 (FIPS 180-4) is here too.
local bit = require("bit")
local band, bnot, bxor, ror, rshift, tobit = bit.band, bit.bnot, bit.bxor, bit.ror, bit.rshift, bit.tobit

local K = {}
do
  local found, candidate = 0, 2
  while found < 64 do
    local prime = true
    for divisor = 2, math.floor(math.sqrt(candidate)) do
      if candidate % divisor == 0 then prime = false break end
    end
    if prime then
      found = found + 1
      local root = candidate ^ (1 / 3)
      K[found] = tobit(math.floor((root - math.floor(root)) * 2 ^ 32))
    end
    candidate = candidate + 1
  end
end

local INITIAL = {
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
}

local w = {}
local function compress(state, text, at)
  for i = 1, 16 do
    local a, b, c, d = text:byte(at + i * 4 - 4, at + i * 4 - 1)
    w[i] = tobit(a * 16777216 + b * 65536 + c * 256 + d)
  end
  for i = 17, 64 do
    local x, y = w[i - 15], w[i - 2]
    w[i] = tobit(w[i - 16] + bxor(ror(x, 7), ror(x, 18), rshift(x, 3)) + w[i - 7]
      + bxor(ror(y, 17), ror(y, 19), rshift(y, 10)))
  end
  local a, b, c, d, e, f, g, h =
    state[1], state[2], state[3], state[4], state[5], state[6], state[7], state[8]
  for i = 1, 64 do
    local t1 = tobit(h + bxor(ror(e, 6), ror(e, 11), ror(e, 25)) + bxor(band(e, f), band(bnot(e), g)) + K[i] + w[i])
    local t2 = tobit(bxor(ror(a, 2), ror(a, 13), ror(a, 22)) + bxor(band(a, b), band(a, c), band(b, c)))
    h, g, f, e, d, c, b, a = g, f, e, tobit(d + t1), c, b, a, tobit(t1 + t2)
  end
  return {
    tobit(state[1] + a), tobit(state[2] + b), tobit(state[3] + c), tobit(state[4] + d),
    tobit(state[5] + e), tobit(state[6] + f), tobit(state[7] + g), tobit(state[8] + h),
  }
end

local function word(number)
  return string.char(band(rshift(number, 24), 255), band(rshift(number, 16), 255), band(rshift(number, 8), 255), band(number, 255))
end

-- The digest of `text`, going on from `state` after `before` bytes that are in it already.
local function sha256(text, state, before)
  local length = #text + (before or 0)
  text = text .. "\128" .. string.rep("\0", (55 - #text) % 64) .. word(math.floor(length / 2 ^ 29)) .. word(tobit(length * 8))
  state = state or INITIAL
  for at = 1, #text, 64 do state = compress(state, text, at) end
  local words = {}
  for i = 1, 8 do words[i] = word(state[i]) end
  return table.concat(words)
end

local function pad(key, byte)
  return (key .. string.rep("\0", 64 - #key)):gsub(".", function(c) return string.char(bxor(c:byte(), byte)) end)
end

local KEY = "@KEY@"
local inner = compress(INITIAL, pad(KEY, 0x36), 1)
local outer = compress(INITIAL, pad(KEY, 0x5c), 1)
local function hmac(text) return sha256(sha256(text, inner, 64), outer, 64) end

local second, date
function envoy_on_request(handle)
  local content = ""
  if handle:headers():get(":method") ~= "GET" then
    local body = handle:body()
    content = body and body:getBytes(0, body:length()) or ""
  end
  -- Not before: while the body is waited for, Envoy takes the headers back.
  local headers = handle:headers()
  local target = headers:get(":path") .. "?api-version=@API_VERSION@"
  local now = os.time()
  if now ~= second then
    second, date = now, os.date("!%a, %d %b %Y %H:%M:%S GMT", now)
  end
  local hash = handle:base64Escape(sha256(content))
  local signed = headers:get(":method") .. "\n" .. target .. "\n" .. date .. ";@AUTHORITY@;" .. hash
  headers:replace(":path", target)
  headers:replace(":authority", "@AUTHORITY@")
  headers:replace("x-ms-date", date)
  headers:replace("x-ms-content-sha256", hash)
  headers:replace("authorization", "HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature="
    .. handle:base64Escape(hmac(signed)))
end
