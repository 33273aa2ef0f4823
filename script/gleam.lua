-- gleam.lua - the module gleam: flows in Lua, over the C API.
--
-- Called with `core` (functions of script.c), values (engine/udf/values.lua) and the C declarations.
-- A dataset is a table with the C pointer; every method remembers the line of the script that called
-- it, so that errors name it.
local core, values, declarations, steps, files, rounds = ...
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
local C = ffi.C

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

-- A name of the step, when the first argument is a string, and the rest.
local function step_name(default, first, ...)
    if type(first) == "string" then
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
                check_stdin = check_stdin, fail_unless = fail_unless,
                run_by = run_by, order_class = order_class, integer = integer, named = named,
                column_of = column_of, number_of = number_of, order_of = order_of,
                function_of = function_of}
steps(core, shared)
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
