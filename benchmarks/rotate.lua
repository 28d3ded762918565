-- Requests from a file, one a line: method, path, and a body if there is one. Each is sent in its turn.
-- Arguments: the file, how many requests to skip, the status that every answer must have, a text that bodies hold.

local SAMPLED = 16 -- the body of one answer in so many is looked at

local requests, place = {}, 0
local status_wanted, text_wanted = 200, ""
local answers = 0
wrong, first_wrong = 0, ""

function setup(thread)
    only_thread = thread
end

function init(arguments)
    for line in io.lines(arguments[1]) do
        local method, path, body = line:match("^(%S+) (%S+) ?(.*)$")
        if body == "" then body = nil end
        requests[#requests + 1] = wrk.format(method, path, wrk.headers, body)
    end
    place = tonumber(arguments[2])
    status_wanted, text_wanted = tonumber(arguments[3]), arguments[4]
end

function request()
    place = place % #requests + 1
    return requests[place]
end

function response(status, headers, body)
    answers = answers + 1
    local looked_at = answers % SAMPLED == 1
    if status ~= status_wanted or looked_at and not body:find(text_wanted, 1, true) then
        if wrong == 0 then first_wrong = status .. " " .. body:sub(1, 200) end
        wrong = wrong + 1
    end
end

-- One line of JSON and one of text; times are in microseconds.
function done(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        '{"requests": %d, "duration": %d, "p50": %d, "p99": %d, "broken": %d, "wrong": %d}\n%s\n',
        summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
        errors.connect + errors.read + errors.write + errors.timeout,
        only_thread:get("wrong"), only_thread:get("first_wrong"):gsub("%s+", " ")
    ))
end
