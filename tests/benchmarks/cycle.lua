-- Plays a cycle of prepared requests: each is sent with its marker replaced by a number never used before.
-- Arguments: the file of requests, and the first number.

local MARKER = "#########"
local requests = {}
local place, number = 0, 0

function init(arguments)
  local file = assert(io.open(arguments[1], "rb"))
  local all = file:read("*a")
  file:close()
  number = tonumber(arguments[2])
  for request in all:gmatch("([^%z]+)") do
    local pieces, from = {}, 1
    while true do
      local first, last = all.find(request, MARKER, from, true)
      pieces[#pieces + 1] = request:sub(from, (first or 0) - 1)
      if not first then break end
      from = last + 1
    end
    requests[#requests + 1] = pieces
  end
end

function request()
  place = place % #requests + 1
  number = number + 1
  return table.concat(requests[place], string.format("%09d", number))
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests": %d, "microseconds": %d, "refused": %d, "broken": %d, "p50_us": %d, "p99_us": %d}\n',
    summary.requests, summary.duration, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
