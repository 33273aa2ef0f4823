-- files.lua - the module gleam's files and commands: csv and tsv sources, written files, pipes.
--
-- Called by gleam.lua with what it shares; adds to the methods and to the module.
local core, shared = ...
local ffi = require "ffi"
local C = ffi.C
local gleam, flow_methods, dataset_methods = shared.gleam, shared.flow_methods, shared.dataset_methods
local here, need, whole, complain = shared.here, shared.need, shared.whole, shared.complain
local partitions_of, check_stdin = shared.partitions_of, shared.check_stdin
local dataset, check_flow, step_name = shared.dataset, shared.check_flow, shared.step_name

ffi.cdef [[
struct gleam_csv_options {
    char delimiter, quote;
    bool unquoted;
    char escape, comment;
    bool header;
    const char *null_text;
    bool no_nulls;
    const char *types;
    int on_error;
};
struct gleam_write_options {
    char delimiter, quote;
    bool unquoted, quote_all, header;
    const char *null_text;
};
enum gleam_pipe_format { GLEAM_PIPE_TSV, GLEAM_PIPE_CSV, GLEAM_PIPE_JSONL, GLEAM_PIPE_LINES };
struct gleam_pipe_options {
    bool escape;
    enum gleam_pipe_format format;
    uint32_t parallel;
};
]]
assert(ffi.sizeof("struct gleam_csv_options") == core.csv_options_bytes)
assert(ffi.sizeof("struct gleam_write_options") == core.write_options_bytes)
assert(ffi.sizeof("struct gleam_pipe_options") == core.pipe_options_bytes)

-- ---- options ---------------------------------------------------------------------------------------

local function character(name, value)
    if type(value) ~= "string" or #value ~= 1 then
        complain(("the option '%s' is %s; it must be one character"):format(name, tostring(value)))
    end
    return value:byte()
end

local function flag(name, value)
    return need(("the option '%s'"):format(name), "boolean", value)
end

local function text(name, value)
    return need(("the option '%s'"):format(name), "string", value)
end

local function one_of(names)
    return function(name, value)
        if names[value] == nil then
            local known = {}
            for key in pairs(names) do
                known[#known + 1] = "'" .. key .. "'"
            end
            table.sort(known)
            complain(("the option '%s' is %s; it is one of %s"):format(name, tostring(value),
                table.concat(known, ", ")))
        end
        return names[value]
    end
end

-- Fills a struct of options from a table, each by the reader of its name; an unknown name is refused.
local function fill(ctype, readers, options, what)
    local struct = ffi.new(ctype)
    for name, value in pairs(options or {}) do
        local read = readers[name]
        if read == nil then
            local known = {}
            for key in pairs(readers) do
                known[#known + 1] = key
            end
            table.sort(known)
            complain(("%s has no option '%s'; it has %s"):format(what, tostring(name),
                table.concat(known, ", ")))
        end
        struct[name] = read(name, value)
    end
    return struct
end

-- ---- sources -----------------------------------------------------------------------------------------

local csv_readers = {delimiter = character, quote = character, unquoted = flag, escape = character,
                     comment = character, header = flag, null_text = text, no_nulls = flag,
                     types = one_of {auto = "auto"},
                     on_error = one_of {fail = 0, skip = 1, null = 2}}

-- gleam.Csv(PATH), gleam.Csv(PATH, n), gleam.Csv(PATH, n, {header = true}): n partitions.
local function rows_source(name, readers, read)
    gleam[name] = function(path, partitions, options)
        check_stdin(need("the path of gleam." .. name, "string", path))
        if type(partitions) == "table" then
            partitions, options = nil, partitions
        end
        return {read = function(flow)
            here()
            local struct = fill("struct gleam_csv_options", readers, options, name)
            local made = dataset(flow, read(flow.pointer, path, partitions_of(partitions), struct))
            flow.alive = {struct, options}
            return made
        end}
    end
end

rows_source("Csv", csv_readers, function(flow, path, n, options)
    return C.gleam_read_csv(flow, path, n, options)
end)
rows_source("Tsv", csv_readers, function(flow, path, n, options)
    return C.gleam_read_tsv(flow, path, n, options)
end)
rows_source("Jsonl", {on_error = csv_readers.on_error}, function(flow, path, n, options)
    return C.gleam_read_jsonl(flow, path, n, options.on_error)
end)

-- The lines that a command writes, which runs once.
function flow_methods:Exec(code)
    here()
    return dataset(self, C.gleam_exec(self.pointer, need("the command of Exec", "string", code)))
end

-- The lines that somebody sends over a connection; with As behind, rows of columns between tabs.
function flow_methods:Listen(network, address)
    need("the network of Listen", "string", network)
    here()
    return dataset(self, C.gleam_listen(self.pointer, network,
        need("the address of Listen", "string", address)))
end

-- ---- written files -----------------------------------------------------------------------------------

local write_readers = {delimiter = character, quote = character, unquoted = flag, quote_all = flag,
                       header = flag, null_text = text}

local function writer(name, write)
    dataset_methods[name] = function(self, path, options)
        here()
        local struct = fill("struct gleam_write_options", write_readers, options, name)
        write(self.pointer, need("the path of " .. name, "string", path), struct)
        self.flow.alive = {struct, options}
        return check_flow(self.flow)
    end
end

writer("WriteCsv", function(d, path, options) C.gleam_write_csv(d, path, options) end)
writer("WriteTsv", function(d, path, options) C.gleam_write_tsv(d, path, options) end)

function dataset_methods:WriteText(path)
    here()
    C.gleam_write_text(self.pointer, need("the path of WriteText", "string", path))
    return check_flow(self.flow)
end

function dataset_methods:WriteJsonl(path)
    here()
    C.gleam_write_jsonl(self.pointer, need("the path of WriteJsonl", "string", path))
    return check_flow(self.flow)
end

-- WriteTo(COMMAND), WriteTo(COMMAND, {format = "csv"}): the rows to the command's stdin.
local formats = {tsv = 0, csv = 1, jsonl = 2, lines = 3}

function dataset_methods:WriteTo(code, options)
    need("the command of WriteTo", "string", code)
    if options ~= nil then
        need("the options of WriteTo", "table", options)
    end
    here()
    C.gleam_write_to(self.pointer, code,
        fill("struct gleam_pipe_options", {format = one_of(formats)}, options, "WriteTo").format)
    return check_flow(self.flow)
end

-- ---- commands ----------------------------------------------------------------------------------------

-- A command's step: Pipe("sort"), Pipe("by word", "sort"), Pipe("sort", {escape = true}).
local function command(name, readers, pipe)
    dataset_methods[name] = function(self, first, second, third)
        local step, code, options = name, first, second
        if type(second) == "string" then
            step, code, options = first, second, third
        end
        need("the command of " .. name, "string", code)
        if options ~= nil then
            need("the options of " .. name, "table", options)
        end
        here()
        return dataset(self.flow, pipe(self.pointer, step, code,
            fill("struct gleam_pipe_options", readers, options, name)))
    end
end

local function parallel(name, value)
    return whole(("the option '%s'"):format(name), value, 1)
end

command("Pipe", {escape = flag}, function(d, step, code, options)
    return C.gleam_pipe_with(d, step, code, options)
end)
command("PipeAsArgs", {escape = flag, parallel = parallel}, function(d, step, code, options)
    return C.gleam_pipe_as_args_with(d, step, code, options)
end)
command("PipeRaw", {escape = flag, format = one_of(formats)},
    function(d, step, code, options)
        return C.gleam_pipe_raw(d, step, code, options)
    end)
