-- An amount is text, "millions:rest": whole millions of units, and what is beyond them in millionths of a unit,
-- from 0 to 999999999999. Numbers of Lua are exact up to 2^53; so is either part.

-- Return the sum of a stored amount (false: none) and another; nil where it is too large to be kept exactly.
local function added(stored, millions, rest)
  if stored then
    local before, beyond = string.match(stored, '^(-?%d+):(%d+)$')
    millions, rest = millions + tonumber(before), rest + tonumber(beyond)
  end
  if rest >= 1e12 then
    millions, rest = millions + 1, rest - 1e12
  end
  if math.abs(millions) >= 2 ^ 53 then
    return nil
  end
  return string.format('%.0f:%.0f', millions, rest)
end
