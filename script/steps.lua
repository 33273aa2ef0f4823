-- steps.lua - the module gleam's steps: methods of datasets that make another one.
--
-- Called by gleam.lua with what it shares; adds to the methods and to the module.
local core, shared = ...
local ffi = require "ffi"
local C, O = ffi.C, ffi.cast("const struct gm_order_calls *", core.order_calls)
local gleam, flow_methods, dataset_methods = shared.gleam, shared.flow_methods, shared.dataset_methods
local dataset_class, order_class = shared.dataset_class, shared.order_class
local here, need, whole, integer = shared.here, shared.need, shared.whole, shared.integer
local complain, named, step_name = shared.complain, shared.named, shared.step_name
local column_of, number_of, order_of = shared.column_of, shared.number_of, shared.order_of
local function_of, dataset, check_flow = shared.function_of, shared.dataset, shared.check_flow

-- A row number or a count of rows: exact as a number.
local ROWS_MAX = 2^53

-- ---- steps with functions or orders -----------------------------------------------------------------

-- A method that adds a step with a function: Map, Filter, ReduceByKey, ...
local function with_function(name, add)
    dataset_methods[name] = function(self, ...)
        local step, fn = named(name, ...)
        here()
        local converted, alive = function_of(fn, name, self.flow)
        local made = dataset(self.flow, add(self.pointer, step, converted))
        self.flow.alive = alive -- until C has copied it
        made.is_for_each = name == "ForEach"
        return made
    end
end

with_function("Map", function(d, step, fn) return C.gleam_map(d, step, fn) end)
with_function("FlatMap", function(d, step, fn) return C.gleam_flat_map(d, step, fn) end)
with_function("Filter", function(d, step, fn) return C.gleam_filter(d, step, fn) end)
with_function("ForEach", function(d, step, fn) return C.gleam_for_each(d, step, fn) end)
-- Folds all rows, every column, into one.
with_function("Reduce", function(d, step, fn) return C.gleam_reduce(d, step, fn) end)
-- The same of each partition.
with_function("LocalReduce", function(d, step, fn) return C.gleam_local_reduce(d, step, fn) end)
with_function("ReduceByKey", function(d, step, fn) return C.gleam_reduce_by_key(d, step, fn) end)

-- Folds the rows of each key; the key is column 1 unless a Field says otherwise.
local function reduce_by(name, add)
    dataset_methods[name] = function(self, ...)
        local step, fn, field
        local first, second = ...
        -- A source string alone is a function; a name is a string before one.
        if type(first) == "string" and second ~= nil and getmetatable(second) ~= order_class
                and type(second) ~= "number" then
            step, fn, field = ...
        else
            step, fn, field = name, ...
        end
        here()
        local converted, alive = function_of(fn, name, self.flow)
        local made = dataset(self.flow, add(self.pointer, step, converted, order_of(field, 1)))
        self.flow.alive = alive
        return made
    end
end

reduce_by("ReduceBy", function(d, step, fn, order) return O.reduce_by(d, step, fn, order) end)
reduce_by("LocalReduceBy", function(d, step, fn, order)
    return O.local_reduce_by(d, step, fn, order)
end)

-- Declares names and types of the columns: As("word bytes", "n i64").
function dataset_methods:As(...)
    here()
    local text = table.concat({...}, ", ")
    local from = self
    if self.widen then
        local _, commas = text:gsub(",", "")
        from = self.widen(commas + 1)
    end
    return dataset(self.flow, C.gleam_as(from.pointer, text))
end

-- A method with an order: Sort, LocalSort.  A string alone is a column.
local function with_order(name, default, add)
    dataset_methods[name] = function(self, ...)
        local step, order = named(name, ...)
        here()
        return dataset(self.flow, add(self.pointer, step, order_of(order, default)))
    end
end

with_order("Sort", 1, function(d, step, order) return O.sort(d, step, order) end)
with_order("GroupBy", 1, function(d, step, order) return O.group_by(d, step, order) end)
with_order("LocalGroupBy", 1, function(d, step, order) return O.local_group_by(d, step, order) end)
-- Without columns the whole row is the key.
with_order("Distinct", 0, function(d, step, order) return O.distinct(d, step, order) end)
with_order("LocalDistinct", 0, function(d, step, order) return O.local_distinct(d, step, order) end)
-- For each key: the number of rows; of the other columns, or of those that are named, sum, least,
-- largest, mean, number of (distinct) values.  SumBy(keys), SumBy(keys, values), SumBy("step", keys,
-- values): two arguments are columns.
local function by_keys(name, of)
    dataset_methods[name .. "By"] = function(self, ...)
        local step, keys, columns = name .. "By", ...
        if select("#", ...) > 2 then
            step, keys, columns = ...
        end
        here()
        return dataset(self.flow, of(self.pointer, step, order_of(keys, 1), order_of(columns, 0)))
    end
end

-- The same of all rows: Sum(), Sum("n"), Sum("step", gleam.Field("n", 3)).
local function of_all(name, of)
    dataset_methods[name] = function(self, ...)
        local step, columns = named(name, ...)
        here()
        return dataset(self.flow,
            of(self.pointer, step, ffi.new("struct gleam_order"), order_of(columns, 0)))
    end
end

for name, of in pairs {Sum = O.sum_of, Min = O.min_of, Max = O.max_of, Avg = O.avg_of,
        CountDistinct = O.count_distinct_of,
        Count = function(d, step, keys, columns)
            if columns.count == 0 then
                return O.count_by(d, step, keys) -- of rows, else of values
            end
            return O.count_of(d, step, keys, columns)
        end} do
    by_keys(name, of)
    of_all(name, of)
end

with_order("LocalSort", 1, function(d, step, order) return O.local_sort(d, step, order) end)

function dataset_methods:SortByKey(step)
    return self:Sort(step or "SortByKey", gleam.Field(1))
end

-- The first n rows in an order: Top(5, OrderBy(2, false)) are the five largest.
local function with_count(name, add)
    dataset_methods[name] = function(self, ...)
        local step, count, order = named(name, ...)
        here()
        return dataset(self.flow,
            add(self.pointer, step, whole("the number of rows", count, 0), order_of(order, 1)))
    end
end

with_count("Top", function(d, step, n, order) return O.top(d, step, n, order) end)
with_count("LocalTop", function(d, step, n, order) return O.local_top(d, step, n, order) end)

-- ---- columns, numbers of rows, partitions ------------------------------------------------------------

-- Whether all of them are strings.
local function all_strings(...)
    for i = 1, select("#", ...) do
        if type((select(i, ...))) ~= "string" then
            return false
        end
    end
    return true
end

-- These columns, in this order: Select(Field(3, 1)), Select(3, 1), Select("word", "n").
function dataset_methods:Select(...)
    local step, first = "Select", ...
    local from = 1
    if type(first) == "string" and not all_strings(...) then
        step, from = first, 2
    end
    here()
    local columns = select(from, ...)
    if getmetatable(columns) ~= order_class then
        columns = gleam.Field(select(from, ...))
    end
    return dataset(self.flow, O.select(self.pointer, step, order_of(columns)))
end

-- The key columns, then the value columns: SelectKV(keys, values), SelectKV("step", keys, values).
function dataset_methods:SelectKV(...)
    local step, keys, others = "SelectKV", ...
    if select("#", ...) > 2 then
        step, keys, others = ...
    end
    here()
    return dataset(self.flow,
        O.select_kv(self.pointer, step, order_of(keys), order_of(others)))
end

local comparisons = {["=="] = C.GLEAM_EQUAL, ["="] = C.GLEAM_EQUAL, ["~="] = C.GLEAM_NOT_EQUAL,
                     ["!="] = C.GLEAM_NOT_EQUAL, ["<"] = C.GLEAM_LESS,
                     ["<="] = C.GLEAM_LESS_OR_EQUAL, [">"] = C.GLEAM_GREATER,
                     [">="] = C.GLEAM_GREATER_OR_EQUAL}

local function value_of(value)
    local struct = ffi.new("struct gleam_value")
    local kind = type(value)
    if kind == "number" and value == math.floor(value) and math.abs(value) < 2^53 then
        struct.kind, struct.i64 = 1, value
    elseif kind == "number" then
        struct.kind, struct.f64 = 2, value
    elseif kind == "cdata" and ffi.istype("int64_t", value) then
        struct.kind, struct.i64 = 1, value
    elseif kind == "boolean" then
        struct.kind, struct.boolean = 3, value
    elseif kind == "string" then
        struct.kind, struct.bytes.data, struct.bytes.length = 4, value, #value
    elseif kind ~= "nil" then
        complain("Where compares with a number, a string, a boolean or nil, not with a " .. kind)
    end
    return struct
end

-- Rows whose column compares with a value: Where(2, ">=", 10); "==" and "~=" take nil as well.  No
-- function is called.
function dataset_methods:Where(...)
    local first, second, third, fourth = ...
    local step, column, operator, value = "Where", first, second, third
    if type(first) == "string" and comparisons[second] == nil then
        step, column, operator, value = first, second, third, fourth
    end
    here()
    local comparison = comparisons[operator]
    if comparison == nil then
        complain(("Where has no operator %s; it has == ~= < <= > >="):format(tostring(operator)))
    end
    if value == nil then
        if comparison ~= C.GLEAM_EQUAL and comparison ~= C.GLEAM_NOT_EQUAL then
            complain("Where: nil is compared by == and ~= alone")
        end
        comparison = comparison == C.GLEAM_EQUAL and C.GLEAM_IS_NULL or C.GLEAM_IS_NOT_NULL
    end
    local made = dataset(self.flow, C.gleam_where(self.pointer, step,
        number_of(column_of(column)), comparison, value_of(value)))
    self.flow.alive = value
    return made
end

-- Of each partition: n rows behind the first `offset`.
function dataset_methods:LocalLimit(...)
    local step, count, offset = step_name("LocalLimit", ...)
    here()
    return dataset(self.flow, C.gleam_local_limit(self.pointer, step,
        whole("the number of rows", count, 0, ROWS_MAX),
        whole("the offset", offset or 0, 0, ROWS_MAX)))
end

-- The first n rows of all.
function dataset_methods:Limit(...)
    local step, count = step_name("Limit", ...)
    here()
    return dataset(self.flow,
        C.gleam_limit(self.pointer, step, whole("the number of rows", count, 0, ROWS_MAX)))
end

-- n rows at random, or each with a probability below 1; the same ones for the same seed.
function dataset_methods:Sample(...)
    local step, count, seed = step_name("Sample", ...)
    here()
    seed = integer("the seed", seed or 1)
    if type(count) == "number" and count > 0 and count < 1 then
        return dataset(self.flow, C.gleam_sample_fraction(self.pointer, step, count, seed))
    end
    return dataset(self.flow,
        C.gleam_sample(self.pointer, step, whole("the number of rows", count, 0), seed))
end

-- ---- sizes: what the planner cannot know --------------------------------------------------------------

local hint_class = {__name = "hint"}

local function hint(name, make)
    gleam[name] = function(megabytes)
        need("the size in megabytes", "number", megabytes)
        return setmetatable({size = make(megabytes)}, hint_class)
    end
end

hint("TotalSize", C.gleam_total_size)
hint("PartitionSize", C.gleam_partition_size)

local function each_hint(take, ...)
    for _, one in ipairs {...} do
        if getmetatable(one) ~= hint_class then
            complain("Hint takes gleam.TotalSize(megabytes) and gleam.PartitionSize(megabytes)")
        end
        take(one.size)
    end
end

function dataset_methods:Hint(...)
    here()
    each_hint(function(size) C.gleam_hint(self.pointer, size) end, ...)
    check_flow(self.flow)
    return self
end

function flow_methods:Hint(...)
    here()
    each_hint(function(size) C.gleam_flow_hint(self.pointer, size) end, ...)
    return check_flow(self)
end

-- Methods that take a number of partitions.
local function with_partitions(name, add)
    dataset_methods[name] = function(self, ...)
        local step, count = step_name(name, ...)
        here()
        return dataset(self.flow,
            add(self.pointer, step, whole("the number of partitions", count, 1)))
    end
end

with_partitions("RoundRobin", function(d, step, n) return C.gleam_round_robin(d, step, n) end)
with_partitions("MergeTo", function(d, step, n) return C.gleam_merge_to(d, step, n) end)
with_partitions("Broadcast", function(d, step, n) return C.gleam_broadcast(d, step, n) end)

-- By the hash of columns: Partition(8, Field(2)).
function dataset_methods:Partition(...)
    local step, count, field = step_name("Partition", ...)
    here()
    return dataset(self.flow, O.partition(self.pointer, step,
        whole("the number of partitions", count, 1), order_of(field, 1)))
end

-- Neighbouring sorted partitions become one, in order.
function dataset_methods:MergeSortedTo(...)
    local step, count, order = step_name("MergeSortedTo", ...)
    here()
    return dataset(self.flow, O.merge_sorted_to(self.pointer, step,
        whole("the number of partitions", count, 1), order_of(order, 1)))
end

function dataset_methods:TreeMergeSortedTo(...)
    local step, count, factor, order = step_name("TreeMergeSortedTo", ...)
    here()
    return dataset(self.flow, O.tree_merge_sorted_to(self.pointer, step,
        whole("the number of partitions", count, 1), whole("the factor", factor, 2),
        order_of(order, 1)))
end

-- ---- several datasets ----------------------------------------------------------------------------------

local function other_dataset(what, value)
    if getmetatable(value) ~= dataset_class then
        complain(("%s takes another dataset, not a %s"):format(what, type(value)))
    end
    value.is_for_each = false
    return value.pointer
end

-- Join(other), Join(other, Field(2)), or Join(other, Field(2), Field(1)) where the columns differ.
local function join(name, kind)
    dataset_methods[name] = function(self, ...)
        local step, other, left, right = step_name(name, ...)
        here()
        return dataset(self.flow, O.join_on(self.pointer, step, other_dataset(name, other),
            order_of(left, 1), order_of(right or left, 1), kind))
    end
end

for name, kind in pairs {Join = C.GLEAM_JOIN_INNER, LeftOuterJoin = C.GLEAM_JOIN_LEFT_OUTER,
        RightOuterJoin = C.GLEAM_JOIN_RIGHT_OUTER, FullOuterJoin = C.GLEAM_JOIN_FULL_OUTER,
        SemiJoin = C.GLEAM_JOIN_LEFT_SEMI, AntiJoin = C.GLEAM_JOIN_LEFT_ANTI} do
    join(name, kind)
    join(name .. "ByKey", kind)
end

-- A join of any of the four kinds: DoJoin(other, true, false) keeps all rows of the left.
function dataset_methods:DoJoin(...)
    local step, other, left, right, field = step_name("DoJoin", ...)
    here()
    return dataset(self.flow, O.do_join(self.pointer, step, other_dataset("DoJoin", other),
        left == true, right == true, order_of(field, 1)))
end

-- A join with a small dataset, which goes whole to every partition.
function dataset_methods:HashJoin(...)
    local step, other, field = step_name("HashJoin", ...)
    here()
    return dataset(self.flow, O.hash_join(self.pointer, step, other_dataset("HashJoin", other),
        order_of(field, 1)))
end

-- Every key of either side, with a list of the left's values and one of the right's.
function dataset_methods:CoGroup(...)
    local step, other, left, right = step_name("CoGroup", ...)
    here()
    return dataset(self.flow, O.cogroup_on(self.pointer, step, other_dataset("CoGroup", other),
        order_of(left, 1), order_of(right or left, 1)))
end

-- Every row beside every row of the other.
function dataset_methods:CrossJoin(...)
    local step, other = step_name("CrossJoin", ...)
    here()
    return dataset(self.flow,
        C.gleam_cross_join(self.pointer, step, other_dataset("CrossJoin", other)))
end

-- All rows of this and the others: Union(other), Union({one, another}).
function dataset_methods:Union(...)
    local step, others = step_name("Union", ...)
    here()
    if getmetatable(others) == dataset_class then
        others = {others}
    end
    local count = #need("the datasets of Union", "table", others)
    local pointers = ffi.new("struct gleam_dataset *[?]", count + 1)
    for i = 1, count do
        pointers[i - 1] = other_dataset("Union", others[i])
    end
    local made = dataset(self.flow, C.gleam_union(self.pointer, step, pointers, count))
    self.flow.alive = pointers
    return made
end

function dataset_methods:PartitionByKey(...)
    local step, count = named("PartitionByKey", ...)
    here()
    return dataset(self.flow, C.gleam_partition_by_key(self.pointer, step,
        whole("the number of partitions", count, 1)))
end

-- Calls fn with the dataset, and goes on with what it returns.
function dataset_methods:Do(fn)
    return need("what Do calls", "function", fn)(self)
end

return nil
