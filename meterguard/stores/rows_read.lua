-- Read a row. KEYS: the row. Returns its state.

return state_of(KEYS[1])
