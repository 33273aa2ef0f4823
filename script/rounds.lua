-- rounds.lua - the module gleam's kept datasets, rounds over them, and runs of several flows at once.
--
-- Called by gleam.lua with what it shares; adds to the methods and to the module.
local core, shared = ...
local ffi = require "ffi"
local C = ffi.C
local gleam, dataset_methods = shared.gleam, shared.dataset_methods
local here, need, whole, complain = shared.here, shared.need, shared.whole, shared.complain
local dataset, fail_unless, run_by = shared.dataset, shared.fail_unless, shared.run_by

-- ---- kept datasets ---------------------------------------------------------------------------------

-- Computed once, by the first run that needs it, and kept for all steps and runs.
function dataset_methods:Cache(step)
    here()
    return dataset(self.flow, C.gleam_cache(self.pointer, step or "Cache"))
end

-- What fn makes of the dataset, kept on disk: OnDisk(function(d) return d:Map(...) end); without fn
-- the dataset itself.
function dataset_methods:OnDisk(fn)
    local made = self
    if fn ~= nil then
        made = need("what OnDisk calls", "function", fn)(self)
    end
    if getmetatable(made) ~= shared.dataset_class then
        complain("the function of OnDisk returns no dataset")
    end
    here()
    return dataset(self.flow, C.gleam_on_disk(made.pointer, "OnDisk"))
end

-- Gives back what Cache or OnDisk keeps; a later run that needs it computes it again.
function dataset_methods:Uncache()
    here()
    C.gleam_uncache(self.pointer)
    return shared.check_flow(self.flow) and self
end

-- ---- rows for the script ---------------------------------------------------------------------------

-- Runs what leads to this dataset, now, and returns its rows: a table of columns each, with their
-- number in the field n.
function dataset_methods:Collect()
    if core.is_running() then
        complain("Collect cannot run inside the function of another flow's OutputRow")
    end
    here()
    io.stdout:flush()
    local rows = {}
    fail_unless(self.flow, run_by(core.each_row, self.pointer, function(...)
        rows[#rows + 1] = {n = select("#", ...), ...}
    end))
    return rows
end

-- ---- rounds ----------------------------------------------------------------------------------------

local function failed(flow)
    fail_unless(flow, run_by(core.run, flow.pointer)) -- it is broken: this tells its status
end

-- Rounds: body(rows, number) makes the next round's rows from those of the last one, n times at
-- most, or until(now, before, number) returns true.  Runs now; the result is kept.
function dataset_methods:Iterate(...)
    local step, n, body, stop = shared.step_name("Iterate", ...)
    need("what Iterate calls for every round", "function", body)
    if stop ~= nil then
        need("what ends Iterate", "function", stop)
    end
    n = whole("the number of rounds", n, 0)
    here()
    io.stdout:flush()
    local rounds = C.gleam_rounds_begin(self.pointer, step)
    if rounds == nil then
        failed(self.flow)
    end
    rounds = dataset(self.flow, rounds)
    for number = 1, n do
        local built = body(rounds, number)
        if getmetatable(built) ~= shared.dataset_class then
            complain("a round of Iterate returns no dataset")
        end
        here()
        local made = C.gleam_rounds_compute(rounds.pointer, built.pointer)
        if made == nil then
            failed(self.flow)
        end
        made = dataset(self.flow, made)
        if C.gleam_shows_plan() then
            return made
        end
        local done = stop ~= nil and stop(made, rounds, number)
        C.gleam_rounds_end(rounds.pointer, made.pointer)
        if done then
            break
        end
    end
    return rounds
end

-- ---- several flows ---------------------------------------------------------------------------------

-- Runs flows at the same time: RunAll{f1, f2}.
function gleam.RunAll(flows)
    need("what RunAll runs", "table", flows)
    local pointers = {}
    for i, flow in ipairs(flows) do
        if getmetatable(flow) == shared.dataset_class then
            flow = flow.flow
        end
        if getmetatable(flow) ~= shared.flow_class then
            complain(("number %d of what RunAll runs is a %s, not a flow"):format(i, type(flow)))
        end
        pointers[i] = flow.pointer
    end
    if core.is_running() then
        complain("flows cannot run inside the function of another's OutputRow")
    end
    io.stdout:flush()
    local status = run_by(core.run_all, unpack(pointers))
    for _, flow in ipairs(flows) do
        flow = flow.flow or flow
        local text = ffi.string(C.gleam_flow_error(flow.pointer))
        if status ~= 0 and text ~= "" and not text:find("^not done, because flow '") then
            fail_unless(flow, status)
        end
    end
    if status ~= 0 then
        complain("the flows did not run")
    end
end

return nil
