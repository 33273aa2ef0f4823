-- gleam.lua - the module gleam: flows in Lua, over the C API.
--
-- Called with `core` (functions of script.c), values (engine/udf/values.lua) and the C declarations.
-- A dataset is a table with the C pointer; every method remembers the line of the script that called
-- it, so that errors name it.
local core, values, declarations, files, rounds = ...
local ffi, jit = require "ffi", require "jit"
ffi.cdef(([[
typedef struct FILE FILE;
struct gleam_flow;
struct gleam_dataset;
struct gleam_function {
    const char *name;
    const void *parameter;
    size_t parameter_length;
    int kind;
    const char *library;
};
enum { GLEAM_ORDER_COLUMNS_MAX = %d };
struct gleam_value {
    uint8_t kind;
    union {
        int64_t i64;
        double f64;
        bool boolean;
        struct { const char *data; size_t length; } bytes;
    };
};
enum gleam_comparison {
    GLEAM_EQUAL, GLEAM_NOT_EQUAL, GLEAM_LESS, GLEAM_LESS_OR_EQUAL, GLEAM_GREATER,
    GLEAM_GREATER_OR_EQUAL, GLEAM_IS_NULL, GLEAM_IS_NOT_NULL
};
enum gleam_join_kind {
    GLEAM_JOIN_INNER, GLEAM_JOIN_LEFT_OUTER, GLEAM_JOIN_RIGHT_OUTER, GLEAM_JOIN_FULL_OUTER,
    GLEAM_JOIN_LEFT_SEMI, GLEAM_JOIN_LEFT_ANTI
};
struct gleam_size_hint {
    double megabytes;
    bool of_partition;
};
struct gleam_order {
    uint32_t count;
    struct { uint32_t column; bool ascending; } columns[GLEAM_ORDER_COLUMNS_MAX];
};
]]):format(core.order_columns_max))
ffi.cdef(declarations)
assert(ffi.sizeof("struct gleam_function") == core.function_bytes)
assert(ffi.sizeof("struct gleam_order") == core.order_bytes)
assert(ffi.sizeof("struct gleam_value") == core.value_bytes)
ffi.cdef(core.orders)
local C, O = ffi.C, ffi.cast("const struct gm_order_calls *", core.order_calls)

local gleam = {}
local flow_methods, dataset_methods = {}, {}
local flow_class = {__index = flow_methods, __name = "flow"}
local dataset_class = {__index = dataset_methods, __name = "dataset"}

-- ---- small helpers --------------------------------------------------------------------------------

-- An error of the script, at the line that called the public function.
local function complain(text)
    local level = 2
    while true do
        local info = debug.getinfo(level, "Sl")
        if info == nil then
            error(text, 0)
        elseif info.source:sub(1, 7) ~= "=gleam/" and info.what ~= "C" then
            local place = ("%s:%d: "):format(info.short_src, info.currentline)
            -- What an upvalue's error begins with is its function's place, often the same.
            error(text:sub(1, #place) == place and text or place .. text, 0)
        end
        level = level + 1
    end
end

-- Tells the C side which line of the script is building.
local function here()
    local level = 2
    while true do
        local info = debug.getinfo(level, "Sl")
        if info == nil then
            return
        elseif info.source:sub(1, 7) ~= "=gleam/" and info.what ~= "C" then
            C.gleam_here(info.short_src, info.currentline)
            return
        end
        level = level + 1
    end
end

local function need(what, wanted, value)
    if type(value) ~= wanted then
        complain(("%s is a %s, not a %s"):format(what, type(value), wanted))
    end
    return value
end

-- most: what C has room for, a uint32_t unless told otherwise.
local function whole(what, value, least, most)
    local number = tonumber(value)
    most = most or 2^32 - 1
    if number == nil or number ~= math.floor(number) or number < least then
        complain(("%s is %s; it must be a whole number from %d on"):format(
            what, tostring(value), least))
    elseif number > most then
        complain(("%s is %s; the largest is %.0f"):format(what, tostring(value), most))
    end
    return number
end

-- A row number or a count of rows: exact as a number.
local ROWS_MAX = 2^53

-- A number of partitions that may be left to the planner.
local function partitions_of(value)
    return value == nil and 0 or whole("the number of partitions", value, 0)
end

-- An int64_t, or a number that is one.
local function integer(what, value)
    if ffi.istype("int64_t", value) then
        return value
    elseif type(value) ~= "number" or value ~= math.floor(value) or value < -2^63 or value >= 2^63 then
        complain(("%s is %s; it must be a whole number in the range of i64"):format(
            what, tostring(value)))
    end
    return value
end

-- Methods take an optional name of the step first, as the Go form has it: a string that is not all
-- there is.
local function named(default, first, ...)
    if type(first) == "string" and select("#", ...) > 0 then
        return first, ...
    end
    return default, first, ...
end

-- ---- columns and orders ----------------------------------------------------------------------------

local order_methods = {}
local order_class = {__index = order_methods, __name = "order"}

-- A column's number, or its name.
local function column_of(value)
    if type(value) == "string" then
        return value
    end
    return whole("a column", value, 1, 2^31 - 1)
end

-- What C takes for a column: a name has a number of its own.
local function number_of(column)
    return type(column) == "string" and C.gleam_column(column) or column
end

-- A further column: OrderBy(2, false):By("word", true).
function order_methods:By(column, ascending)
    local order = setmetatable({unpack(self)}, order_class)
    order[#order + 1] = {column_of(column), ascending ~= false}
    return order
end

-- The order by one column, ascending unless told otherwise.
function gleam.OrderBy(column, ascending)
    return order_methods.By(setmetatable({}, order_class), column, ascending)
end

-- Columns, by numbers (from 1) and names.
function gleam.Field(...)
    local order = setmetatable({}, order_class)
    for _, column in ipairs {...} do
        order = order:By(column, true)
    end
    if #order == 0 then
        complain("Field needs at least one column")
    end
    return order
end

-- An order as C wants it; a number or a string is a column.
local function order_of(value, default)
    if value == nil then
        value = default
    end
    if value == 0 then
        return ffi.new("struct gleam_order")
    elseif type(value) == "number" or type(value) == "string" then
        value = gleam.Field(value)
    end
    if getmetatable(value) ~= order_class then
        complain("columns are given by gleam.Field(...) or gleam.OrderBy(column, ascending)")
    end
    local order = ffi.new("struct gleam_order")
    if #value > C.GLEAM_ORDER_COLUMNS_MAX then
        complain(("more than %d columns"):format(C.GLEAM_ORDER_COLUMNS_MAX))
    end
    order.count = #value
    for i, column in ipairs(value) do
        order.columns[i - 1].column = number_of(column[1])
        order.columns[i - 1].ascending = column[2]
    end
    return order
end

-- ---- functions -------------------------------------------------------------------------------------

local function_class = {__name = "function"}

-- What stands for a function of the engine or of a shared object.
local function native(make)
    return setmetatable({make = make}, function_class)
end

local kernels = {Tokenize = "tokenize", AppendOne = "append_one", Sum = "sum",
                 SumInt64 = "sum_int64", SumFloat64 = "sum_float64", CountRows = "count", Min = "min", Max = "max"}
for name, kernel in pairs(kernels) do
    gleam[name] = native(function() return C.gleam_kernel(kernel) end)
end

-- A function of a shared object (gleam_map_fn or gleam_reduce_fn), with an optional parameter.
function gleam.C(path, symbol, parameter)
    need("the path of gleam.C", "string", path)
    need("the symbol of gleam.C", "string", symbol)
    if parameter ~= nil then
        need("the parameter of gleam.C", "string", parameter)
    end
    return native(function()
        return C.gleam_library_with(path, symbol, parameter, parameter and #parameter or 0)
    end)
end

-- A function as C wants it, for a step of the flow.  Returns it, and what must stay alive until C has
-- copied it.
local function function_of(value, what, flow)
    if getmetatable(value) == function_class then
        return value.make()
    end
    local bytes
    if type(value) == "function" then
        local ok, result = pcall(values.dump, value, what, flow)
        if not ok then
            complain(result)
        end
        bytes = "\27" .. result
    elseif type(value) == "string" then
        bytes = value
    else
        complain(("%s takes a function, its source as a string, or one of gleam's own; it got a %s")
            :format(what, type(value)))
    end
    local result = C.gleam_lua(nil)
    result.parameter = ffi.cast("const void *", bytes)
    result.parameter_length = #bytes
    return result, bytes
end

-- ---- datasets --------------------------------------------------------------------------------------

-- A mistake in building is kept in the flow: it is raised at once, where the script made it.
local function dataset(flow, pointer)
    if pointer == nil then
        local text = ffi.string(C.gleam_flow_error(flow.pointer))
        error(text ~= "" and text or "the step could not be added", 0)
    end
    return setmetatable({flow = flow, pointer = pointer}, dataset_class)
end

local function check_flow(flow)
    local text = ffi.string(C.gleam_flow_error(flow.pointer))
    if text ~= "" then
        error(text, 0)
    end
    return flow
end

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

-- A name of the step, when the first argument is a string, and the rest.
local function step_name(default, first, ...)
    if type(first) == "string" then
        return first, ...
    end
    return default, first, ...
end

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

-- ---- outputs: they return the flow, so that :Run() may follow ---------------------------------------

local function print_to(name, line)
    dataset_methods[name] = function(self, format)
        here()
        io.stdout:flush()
        local add = line and C.gleam_printlnf or C.gleam_printf
        add(self.pointer, need("the format", "string", format))
        return check_flow(self.flow)
    end
    dataset_methods["F" .. name:lower()] = function(self, file, format)
        here()
        if io.type(file) ~= "file" then
            complain("F" .. name:lower() .. " takes an open file, then a format")
        end
        local add = line and C.gleam_fprintlnf or C.gleam_fprintf
        add(self.pointer, file, need("the format", "string", format))
        self.flow.kept[#self.flow.kept + 1] = file
        return check_flow(self.flow)
    end
end

print_to("Printf", false)
print_to("Printlnf", true)

-- Every row as a line with tabs between its columns, to an open file.
function dataset_methods:PipeOut(file)
    here()
    if io.type(file) ~= "file" then
        complain("PipeOut takes an open file")
    end
    C.gleam_pipe_out(self.pointer, file)
    self.flow.kept[#self.flow.kept + 1] = file
    return check_flow(self.flow)
end

-- The columns of the first row into a table, which stays as it is when there is no row.
function dataset_methods:SaveFirstRowTo(row)
    need("what SaveFirstRowTo fills", "table", row)
    return self:Limit("first row", 1):OutputRow(function(...)
        row.n = select("#", ...)
        for i = 1, row.n do
            row[i] = (select(i, ...))
        end
    end)
end

-- Calls a function here, in the script, with the columns of every row.
function dataset_methods:OutputRow(...)
    local _, fn = named("OutputRow", ...)
    here()
    core.output_row(self.pointer, need("the function of OutputRow", "function", fn))
    return check_flow(self.flow)
end

-- One formatted text per row into a file that appears when the job succeeded.
function dataset_methods:WriteFormatted(path, format)
    here()
    C.gleam_write_formatted(self.pointer, need("the path", "string", path),
        need("the format", "string", format))
    return check_flow(self.flow)
end

-- What a dataset passes on to its flow, so that a chain may end in :Run().
function dataset_methods:Run(...)
    -- A ForEach that nothing reads is run for what it does.
    if self.is_for_each then
        self:OutputRow(function() end)
    end
    return self.flow:Run(...)
end
function dataset_methods:Init(code)
    self.flow:Init(code)
    return self
end

-- ---- flows -----------------------------------------------------------------------------------------

function gleam.New(name)
    name = name == nil and "flow" or need("the name of a flow", "string", name)
    local pointer = C.gleam_flow_new(name)
    return setmetatable({pointer = ffi.gc(pointer, C.gleam_flow_free), kept = {}}, flow_class)
end

local function strings_of(list, what)
    need(what, "table", list)
    local count = #list
    local pointers = ffi.new("const char *[?]", count + 1)
    local lengths = ffi.new("size_t[?]", count + 1)
    local kept = {}
    for i = 1, count do
        kept[i] = type(list[i]) == "string" and list[i] or tostring(list[i])
        pointers[i - 1] = kept[i]
        lengths[i - 1] = #kept[i]
    end
    return pointers, count, kept, lengths
end

-- A script that comes by standard input leaves no rows there.
local function check_stdin(path)
    if path == "-" and core.is_from_stdin then
        complain("standard input is the script itself: give the script as a file, or another input")
    end
end

-- Lines of text files: a path, a glob or a folder, or a list of these.
function flow_methods:TextFile(path, partitions)
    here()
    local pointers, count, kept = strings_of(type(path) == "table" and path or
        {need("the path", "string", path)}, "the paths")
    for i = 1, count do
        check_stdin(kept[i])
    end
    local made = dataset(self, C.gleam_read_texts(self.pointer, pointers, count,
        partitions_of(partitions)))
    self.alive = kept
    return made
end

function flow_methods:Strings(list)
    here()
    local pointers, count, kept, lengths = strings_of(list, "the list of Strings")
    local made = dataset(self, C.gleam_byte_strings(self.pointer, pointers, lengths, count))
    self.alive = {kept, pointers, lengths}
    return made
end
flow_methods.Lines = flow_methods.Strings

flow_methods.Bytes = flow_methods.Strings

-- The integers from, from + 1, ..., to - 1; or those of a list.
function flow_methods:Ints(from, to)
    here()
    if type(from) == "table" then
        local rows = {}
        for i, number in ipairs(from) do
            rows[i] = {integer("a number of Ints", number)}
        end
        return self:Slices(rows):As("n i64")
    end
    return dataset(self, C.gleam_ints(self.pointer, integer("the first number of Ints", from),
        integer("the number behind the last of Ints", to)))
end

-- Rows given in the script, a table of columns each: they travel as a broadcast value.
function flow_methods:Slices(rows)
    here()
    local columns = 1
    for i, row in ipairs(need("the rows of Slices", "table", rows)) do
        if type(row) ~= "table" then
            complain(("row %d of Slices is a %s, not a table of columns"):format(i, type(row)))
        end
        columns = math.max(columns, table.maxn(row))
    end
    if #rows == 0 then
        -- No row tells the columns: what stands behind does, as behind any FlatMap.
        return self:Ints(1, 1):FlatMap("Slices", function() return {} end)
    end
    local data, numbers = self:Broadcast(rows), self:Ints(1, #rows + 1)
    local function of_columns(count)
        local names = {}
        for c = 1, count do
            names[c] = ("c%d any"):format(c)
        end
        return numbers:Map("Slices", function(i) return unpack(data[i], 1, count) end)
            :As(unpack(names))
    end
    local made = of_columns(columns)
    -- Nulls at the end of every row do not show in the tables, but in an As behind.
    made.widen = function(count) return count > columns and of_columns(count) or made end
    return made
end

-- The rows that a function makes, as one of FlatMap; it is called once, in one of the executors.
function flow_methods:Source(...)
    local step, fn = named("Source", ...)
    here()
    local converted, alive = function_of(fn, "Source", self)
    local made = dataset(self, C.gleam_source(self.pointer, step, converted))
    self.alive = alive
    return made
end

-- Rows of columns between tabs: ReadTsv(PATH), as Read(gleam.Tsv(PATH)) has them.
function flow_methods:ReadTsv(...)
    return self:Read(gleam.Tsv(...))
end

-- A source: f:Read(gleam.Txt(PATH, n)).
function flow_methods:Read(source)
    if type(source) ~= "table" or type(source.read) ~= "function" then
        complain("Read takes a source such as gleam.Txt(PATH)")
    end
    return source.read(self)
end

function gleam.Txt(path, partitions)
    return {read = function(flow) return flow:TextFile(path, partitions) end}
end

-- The integers from .. to - 1, as a source: f:Read(gleam.Range(0, 10)).
function gleam.Range(from, to)
    return {read = function(flow) return flow:Ints(from, to) end}
end

-- Lua code that sets globals for the functions of the steps.
function flow_methods:Init(code)
    local chunk, why = loadstring(need("the code of Init", "string", code), "=Init")
    if not chunk then
        complain(why)
    end
    C.gleam_init_lua(self.pointer, code)
    return self
end

-- A value that the functions of the flow may read: it travels once to every executor.  In the script
-- and in the steps it reads like the table itself.
function flow_methods:Broadcast(value)
    here()
    local ok, bytes = pcall(values.dump, need("what is broadcast", "table", value),
        "the broadcast value", self)
    if not ok then
        complain(bytes)
    end
    local number = C.gleam_broadcast_bytes(self.pointer, bytes, #bytes)
    check_flow(self)
    return setmetatable({}, {
        __gleam_broadcast = number,
        __gleam_owner = self,
        __index = value,
        __newindex = function() error("a broadcast value is read only", 2) end,
    })
end

-- Calls a function of core that runs flows.  What it calls here for each row is interpreted: compiled
-- loops look at no hook, so Ctrl-C could not end them.
local function run_by(call, ...)
    local was_on = jit.status()
    jit.off()
    jit.flush()
    local status = call(...)
    if was_on then
        jit.on()
    end
    return status
end

-- Raises what a run that did not end well says.
local function fail_unless(flow, status)
    if status == 0 then
        return
    end
    local text = ffi.string(C.gleam_flow_error(flow.pointer))
    text = core.row_error() or text
    core.status(status)
    if text:match("^[^\n]-:%d+: ") then
        error(text, 0)
    end
    complain(text)
end

-- Runs the flow; raises an error when a row did not make it.
function flow_methods:Run()
    if core.is_running() then
        complain("a flow cannot run inside the function of another's OutputRow: keep the rows, and "
            .. "run it afterwards")
    end
    io.stdout:flush()
    fail_unless(self, run_by(core.run, self.pointer))
    return self
end

-- Counts under a name, shown when the flow is done and in --stats.  In the script itself it does
-- nothing: steps count.
function gleam.Count() end

values.name("gleam", gleam)
values.name("gleam.Count", gleam.Count)

local shared = {gleam = gleam, flow_methods = flow_methods, dataset_methods = dataset_methods,
                dataset_class = dataset_class, flow_class = flow_class, here = here, need = need,
                whole = whole, partitions_of = partitions_of, complain = complain,
                dataset = dataset, check_flow = check_flow, step_name = step_name,
                check_stdin = check_stdin, fail_unless = fail_unless, run_by = run_by}
files(core, shared)
rounds(core, shared)

-- Earlier names, and those of forms that are the same here.
for old, method in pairs {Take = "Limit", SortBy = "Sort", Mapper = "Map", ReducerBy = "ReduceBy",
        LocalReducerBy = "LocalReduceBy", LocalHashAndJoinWith = "HashJoin",
        CoGroupPartitionedSorted = "CoGroup"} do
    dataset_methods[old] = dataset_methods[method]
end
function dataset_methods:JoinPartitionedSorted(...)
    local step, other, field, left, right = step_name("JoinPartitionedSorted", ...)
    return self:DoJoin(step, other, left, right, field)
end
function dataset_methods:GroupByKey(step)
    return self:GroupBy(step or "GroupByKey", gleam.Field(1))
end

-- What is built on a ForEach reads it.
for name, method in pairs(dataset_methods) do
    if name ~= "Run" and name ~= "Init" and name ~= "Do" then
        dataset_methods[name] = function(self, ...)
            self.is_for_each = false
            return method(self, ...)
        end
    end
end

-- An int64_t from its bytes, for rows that reach the script.
local function int64(bytes)
    return ffi.cast("const int64_t *", ffi.cast("const char *", bytes))[0]
end

return gleam, int64
