/* accumulate.c - one tight loop per kernel and column kind; a call per row only for functions. */
#include "engine/op/accumulate.h"

#include <math.h>
#include <string.h>

#include "engine/base/check.h"
#include "engine/op/open.h"
#include "engine/op/row_text.h"
#include "engine/udf/library.h"
#include "engine/row/list.h"
#include "engine/udf/registry.h"

static int slot_store(struct gm_table *table, struct gm_slot *slot, uint32_t value, uint8_t kind,
                      const struct gleam_value *number);

/* What a Lua function returned and is no plain number. */
static int store_from_lua(void *context, void *slot, uint32_t value,
                          const struct gleam_value *number)
{
    struct gm_accumulator *accumulator = context;
    return slot_store(accumulator->table, slot, value, accumulator->kinds[value], number);
}

static int open_lua(struct gm_accumulator *accumulator, const struct gm_op *op)
{
    const struct gm_step *step = op->step;
    struct gm_schema values = {.field_count = accumulator->value_count};
    for (uint32_t v = 0; v < accumulator->value_count; v++)
        values.fields[v] = op->input_schema->fields[accumulator->columns[v]];
    const struct gm_lua_spec spec = {.mode = GM_LUA_FOLD,
                                     .function = step->parameter,
                                     .function_bytes = step->parameter_bytes,
                                     .name = step->name,
                                     .input = &values,
                                     .shared = op->shared,
                                     .counters = op->counters,
                                     .heap = op->heap};
    struct gm_error error = {0};
    int rc = gm_lua_open(&spec, &accumulator->lua, &error);
    if (rc < 0)
        return gm_error_set(op->error, rc, "%s: step '%s': %s", step->where, step->name,
                            error.text);
    gm_lua_set_slots(accumulator->lua,
                     &(struct gm_lua_slots){.seen_offset = offsetof(struct gm_slot, seen),
                                            .values_offset = offsetof(struct gm_slot, values),
                                            .store = store_from_lua,
                                            .context = accumulator});
    return 0;
}

int gm_accumulator_init(struct gm_accumulator *accumulator, const struct gm_op *op)
{
    const struct gm_step *step = op->step;
    const struct gm_schema *input = op->input_schema;
    struct gm_heap *heap = op->heap;
    struct gm_error *error = op->error;
    *accumulator =
        (struct gm_accumulator){.kind = step->reduce, .step = step, .heap = heap, .error = error};
    accumulator->call = gm_op_call(op, &accumulator->scratch);
    gm_arena_init(&accumulator->scratch, heap);
    if (step->reduce == GM_REDUCE_COUNT) {
        accumulator->value_count = 1;
        accumulator->kinds[0] = GLEAM_I64;
        accumulator->folds[0] = GM_REDUCE_COUNT;
        return 0;
    }
    for (uint32_t i = 0; i < input->field_count; i++) {
        if (gm_order_names(&step->order, i + 1))
            continue;
        GM_CHECK(accumulator->value_count < GM_REDUCE_VALUES_MAX);
        accumulator->columns[accumulator->value_count] = i;
        accumulator->kinds[accumulator->value_count] = input->fields[i].kind;
        accumulator->nullable[accumulator->value_count] = input->fields[i].nullable;
        accumulator->folds[accumulator->value_count] =
            step->reduce != GM_REDUCE_SUM             ? step->reduce
            : input->fields[i].kind == GLEAM_I64 ? GM_REDUCE_SUM_I64
                                                 : GM_REDUCE_SUM_F64;
        accumulator->value_count++;
    }
    if (step->reduce == GM_REDUCE_LUA)
        return open_lua(accumulator, op);
    if (step->reduce != GM_REDUCE_FUNCTION)
        return 0;
    if (step->library != NULL) {
        struct gm_error why = {0};
        int rc = gm_library_reducer(step->library, step->function, &accumulator->function.function,
                                    &why);
        return rc < 0
                   ? gm_error_set(error, rc, "%s: step '%s': %s", step->where, step->name, why.text)
                   : 0;
    }
    if (!gm_registry_reducer(step->function, &accumulator->function))
        return gm_error_set(error, GM_EJOB_FLOW, "%s: step '%s': this executor has no reducer '%s'",
                            step->where, step->name, step->function);
    return 0;
}

void gm_accumulator_fini(struct gm_accumulator *accumulator)
{
    gm_lua_close(accumulator->lua);
    gm_arena_fini(&accumulator->scratch);
}

int gm_accumulator_overflow(const struct gm_accumulator *accumulator)
{
    return gm_error_set(accumulator->error, GM_EJOB_FLOW,
                        "%s: step '%s': a sum left the range of i64: use f64 and sum_float64",
                        accumulator->call.where, accumulator->call.step);
}

/* Column without nulls. */
static int sum_i64(const struct gm_accumulator *accumulator, struct gm_slot **slots,
                   const struct gm_vector *vector, uint32_t value, uint32_t first, uint32_t count)
{
    bool overflowed = false;
    if (vector->constant) {
        const int64_t constant = vector->i64[0];
        for (uint32_t i = 0; i < count; i++)
            overflowed |= __builtin_add_overflow((int64_t)slots[i]->values[value], constant,
                                                 (int64_t *)&slots[i]->values[value]);
    } else {
        for (uint32_t i = 0; i < count; i++)
            overflowed |=
                __builtin_add_overflow((int64_t)slots[i]->values[value], vector->i64[first + i],
                                       (int64_t *)&slots[i]->values[value]);
    }
    return overflowed ? gm_accumulator_overflow(accumulator) : 0;
}

static double read_f64(const uint64_t *bits)
{
    double number;
    memcpy(&number, bits, sizeof number);
    return number;
}

static void write_f64(uint64_t *bits, double number)
{
    memcpy(bits, &number, sizeof number);
}

static void sum_f64(struct gm_slot **slots, const struct gm_vector *vector, uint32_t value,
                    uint32_t first, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const double next = vector->f64[vector->constant ? 0 : first + i];
        write_f64(&slots[i]->values[value], read_f64(&slots[i]->values[value]) + next);
    }
}

static void count_rows(struct gm_slot **slots, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        slots[i]->values[0]++;
}

/* A value becomes the box's; its bytes are copied to the table. */
static int box_store(struct gm_table *table, struct gm_box *box, const struct gleam_value *value)
{
    if (!gm_kind_has_bytes(value->kind)) {
        box->value = *value;
        return 0;
    }
    const size_t length = value->bytes.length;
    const bool reuse = gm_kind_has_bytes(box->value.kind) && box->capacity >= length;
    char *copy = reuse ? (char *)(uintptr_t)box->value.bytes.data : NULL;
    if (!reuse) {
        /* A growing value doubles, so that what it leaves behind stays below its size. */
        const size_t capacity = length < 2 * box->capacity ? 2 * box->capacity : length;
        copy = (char *)gm_arena_alloc(&table->arena, capacity);
        if (copy == NULL)
            return GM_ETASK_MEMORY;
        box->capacity = capacity;
    }
    if (length > 0)
        memmove(copy, value->bytes.data, length);
    box->value = gleam_bytes(copy, length);
    box->value.kind = value->kind;
    return 0;
}

static bool is_boxed(uint8_t kind)
{
    return kind == GLEAM_BYTES || kind == GLEAM_ANY;
}

static struct gm_box *box_of(const struct gm_slot *slot, uint32_t value)
{
    return (struct gm_box *)(uintptr_t)slot->values[value];
}

static int slot_store(struct gm_table *table, struct gm_slot *slot, uint32_t value, uint8_t kind,
                      const struct gleam_value *number)
{
    slot->seen |= UINT32_C(1) << value;
    if (!is_boxed(kind)) {
        if (kind == GLEAM_BOOL)
            slot->values[value] = number->boolean;
        else
            memcpy(&slot->values[value], &number->i64, 8);
        return 0;
    }
    if (slot->values[value] == 0) {
        /* The arena hands out unaligned memory; a box wants 8. */
        uint8_t *block = gm_arena_alloc(&table->arena, sizeof(struct gm_box) + 7);
        if (block == NULL)
            return GM_ETASK_MEMORY;
        struct gm_box *box = (struct gm_box *)(((uintptr_t)block + 7) & ~(uintptr_t)7);
        *box = (struct gm_box){.value = gleam_null()};
        slot->values[value] = (uint64_t)(uintptr_t)box;
    }
    return box_store(table, box_of(slot, value), number);
}

static struct gleam_value slot_load(const struct gm_slot *slot, uint32_t value, uint8_t kind)
{
    if (!(slot->seen >> value & 1))
        return gleam_null();
    switch (kind) {
    case GLEAM_I64:
        return gleam_i64((int64_t)slot->values[value]);
    case GLEAM_F64:
        return gleam_f64(read_f64(&slot->values[value]));
    case GLEAM_BOOL:
        return gleam_bool(slot->values[value] != 0);
    default:
        return box_of(slot, value)->value;
    }
}

/* min, max, and sums of columns with nulls: value by value. */
static int fold_general(struct gm_accumulator *accumulator, struct gm_table *table,
                        struct gm_slot *slot, uint32_t value, const struct gleam_value *next)
{
    const uint8_t kind = accumulator->kinds[value];
    if (next->kind == GLEAM_NULL)
        return 0;
    if (!(slot->seen >> value & 1))
        return slot_store(table, slot, value, kind, next);
    struct gleam_value total = slot_load(slot, value, kind);
    switch (accumulator->folds[value]) {
    case GM_REDUCE_SUM_I64:
        if (__builtin_add_overflow(total.i64, next->i64, &total.i64))
            return gm_accumulator_overflow(accumulator);
        return slot_store(table, slot, value, kind, &total);
    case GM_REDUCE_SUM_F64:
        total.f64 += next->f64;
        return slot_store(table, slot, value, kind, &total);
    case GM_REDUCE_MIN:
        return gm_value_compare(next, &total) < 0 ? slot_store(table, slot, value, kind, next) : 0;
    default:
        return gm_value_compare(next, &total) > 0 ? slot_store(table, slot, value, kind, next) : 0;
    }
}

static int min_max_i64(const struct gm_accumulator *accumulator, struct gm_slot **slots,
                       const struct gm_vector *vector, uint32_t value, uint32_t first,
                       uint32_t count)
{
    const bool smallest = accumulator->folds[value] == GM_REDUCE_MIN;
    const uint32_t bit = UINT32_C(1) << value;
    for (uint32_t i = 0; i < count; i++) {
        const int64_t next = vector->i64[vector->constant ? 0 : first + i];
        const int64_t total = (int64_t)slots[i]->values[value];
        const bool take = !(slots[i]->seen & bit) || (smallest ? next < total : next > total);
        slots[i]->values[value] = (uint64_t)(take ? next : total);
        slots[i]->seen |= bit;
    }
    return 0;
}

static int fold_column(struct gm_accumulator *accumulator, struct gm_table *table,
                       struct gm_slot **slots, const struct gm_vector *vector, uint32_t value,
                       uint32_t first, uint32_t count)
{
    const uint8_t kind = accumulator->kinds[value];
    if (!accumulator->nullable[value]) {
        if (accumulator->folds[value] == GM_REDUCE_SUM_I64)
            return sum_i64(accumulator, slots, vector, value, first, count);
        if (accumulator->folds[value] == GM_REDUCE_SUM_F64) {
            sum_f64(slots, vector, value, first, count);
            return 0;
        }
        if (kind == GLEAM_I64)
            return min_max_i64(accumulator, slots, vector, value, first, count);
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct gleam_value next = gm_vector_get(vector, first + i);
        int rc = fold_general(accumulator, table, slots[i], value, &next);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* What a function may leave in an `any` column. */
static bool is_value(const struct gleam_value *value)
{
    return value->kind <= GLEAM_BYTES ||
           (value->kind == GLEAM_LIST &&
            gm_list_check((const uint8_t *)value->bytes.data, value->bytes.length));
}

static int refuse_total(const struct gm_accumulator *accumulator, uint32_t value, uint8_t kind)
{
    return gm_error_set(accumulator->error, GM_EJOB_UDF,
                        "%s: step '%s': the reducer made value %u %s, but its column is %s",
                        accumulator->call.where, accumulator->call.step, value + 1,
                        kind == GLEAM_NULL ? "null" : gm_kind_name(kind),
                        gm_kind_name(accumulator->kinds[value]));
}

static int fold_function(struct gm_accumulator *accumulator, struct gm_table *table,
                         struct gm_slot *slot, const struct gm_batch *batch, uint32_t row,
                         bool is_new)
{
    struct gleam_value next[GM_REDUCE_VALUES_MAX], total[GM_REDUCE_VALUES_MAX];
    const uint32_t count = accumulator->value_count;
    GM_CHECK(count >= 1); /* the planner refuses a reduce of nothing */
    for (uint32_t v = 0; v < count; v++)
        next[v] = gm_vector_get(&batch->columns[accumulator->columns[v]], row);
    if (!is_new) {
        for (uint32_t v = 0; v < count; v++)
            total[v] = slot_load(slot, v, accumulator->kinds[v]);
        int rc = accumulator->function.function(&accumulator->call, total, next, count);
        if (rc != 0 || accumulator->error->code != 0) {
            gm_error_set(accumulator->error, GM_EJOB_UDF, "%s: step '%s': reducer returned %d",
                         accumulator->call.where, accumulator->call.step, rc);
            return accumulator->error->code;
        }
    }
    const struct gleam_value *result = is_new ? next : total;
    for (uint32_t v = 0; v < count; v++) {
        const uint8_t kind = accumulator->kinds[v];
        if (result[v].kind == GLEAM_NULL && (accumulator->nullable[v] || kind == GLEAM_ANY)) {
            slot->seen &= ~(UINT32_C(1) << v);
            continue;
        }
        if (kind != GLEAM_ANY ? result[v].kind != kind : !is_value(&result[v]))
            return refuse_total(accumulator, v, result[v].kind);
        int rc = slot_store(table, slot, v, kind, &result[v]);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* A slot made for this block starts with the row's number.  Returns whether it did. */
static inline bool start_slot(struct gm_slot *slot, bool is_new, const struct gm_vector *vector,
                              uint32_t row)
{
    if (!is_new)
        return false;
    slot->seen = 1;
    memcpy(&slot->values[0], (const uint64_t *)vector->data + row, 8);
    return true;
}

/* One value column of 8 bytes without nulls, and a function of plain numbers. */
static void fold_numbers(const struct gm_accumulator *accumulator, struct gm_slot **slots,
                         uint64_t new_slots, const struct gm_vector *vector, uint32_t first,
                         uint32_t count)
{
    gleam_reduce_i64_fn *i64 = accumulator->function.i64;
    gleam_reduce_f64_fn *f64 = accumulator->function.f64;
    const uint32_t step = vector->constant ? 0 : 1;
    uint32_t row = vector->constant ? 0 : first;
    if (i64 != NULL) {
        for (uint32_t i = 0; i < count; i++, row += step)
            if (!start_slot(slots[i], new_slots >> i & 1, vector, row))
                slots[i]->values[0] = (uint64_t)i64((int64_t)slots[i]->values[0], vector->i64[row]);
        return;
    }
    for (uint32_t i = 0; i < count; i++, row += step)
        if (!start_slot(slots[i], new_slots >> i & 1, vector, row))
            write_f64(&slots[i]->values[0], f64(read_f64(&slots[i]->values[0]), vector->f64[row]));
}

static int fold_functions(struct gm_accumulator *accumulator, struct gm_table *table,
                          struct gm_slot **slots, uint64_t new_slots, const struct gm_batch *batch,
                          uint32_t first, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        int rc = fold_function(accumulator, table, slots[i], batch, first + i, new_slots >> i & 1);
        if (rc < 0)
            return rc;
    }
    gm_arena_reset(&accumulator->scratch);
    return 0;
}

int gm_accumulator_fold(struct gm_accumulator *accumulator, struct gm_table *table,
                        struct gm_slot **slots, uint64_t new_slots, const struct gm_batch *batch,
                        uint32_t first, uint32_t count)
{
    if (accumulator->kind == GM_REDUCE_COUNT) {
        count_rows(slots, count);
        return 0;
    }
    if (accumulator->kind == GM_REDUCE_FUNCTION && accumulator->function.function == NULL) {
        fold_numbers(accumulator, slots, new_slots, &batch->columns[accumulator->columns[0]], first,
                     count);
        return 0;
    }
    if (accumulator->kind == GM_REDUCE_LUA) {
        accumulator->table = table;
        int rc = gm_lua_fold(accumulator->lua, batch, accumulator->columns, (void **)slots,
                             new_slots, first, count);
        return rc < 0 ? gm_op_refuse_lua(accumulator->step, accumulator->heap, accumulator->lua,
                                         batch, rc, accumulator->error)
                      : 0;
    }
    if (accumulator->kind == GM_REDUCE_FUNCTION)
        return fold_functions(accumulator, table, slots, new_slots, batch, first, count);
    for (uint32_t v = 0; v < accumulator->value_count; v++) {
        int rc = fold_column(accumulator, table, slots, &batch->columns[accumulator->columns[v]], v,
                             first, count);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* Sums of columns without nulls and counts keep no `seen` bit: they always hold a value. */
static bool always_seen(const struct gm_accumulator *accumulator, uint32_t value)
{
    const enum gm_reduce_kind fold = accumulator->folds[value];
    return fold == GM_REDUCE_COUNT ||
           ((fold == GM_REDUCE_SUM_I64 || fold == GM_REDUCE_SUM_F64) &&
            !accumulator->nullable[value]);
}

void gm_accumulator_store(const struct gm_accumulator *accumulator, const struct gm_slot *slot,
                          uint32_t value, struct gm_vector *vector, uint32_t row)
{
    if (vector->kind == GLEAM_I64 && always_seen(accumulator, value)) {
        vector->i64[row] = (int64_t)slot->values[value];
        return;
    }
    struct gm_slot seen = {.seen = slot->seen};
    if (always_seen(accumulator, value))
        seen.seen = UINT32_MAX;
    const bool is_null = !(seen.seen >> value & 1);
    if (vector->nulls != NULL) {
        vector->nulls[row] = is_null;
        vector->has_nulls |= is_null;
    }
    if (vector->kind == GLEAM_ANY) {
        vector->any[row] = is_null ? gleam_null() : slot_load(slot, value, GLEAM_ANY);
    } else if (vector->kind == GLEAM_BYTES) {
        const struct gleam_value text = is_null ? gleam_bytes("", 0) : box_of(slot, value)->value;
        vector->bytes[row] = (struct gm_bytes){.data = (const uint8_t *)text.bytes.data,
                                               .length = text.bytes.length};
    } else if (vector->kind == GLEAM_BOOL) {
        vector->boolean[row] = !is_null && slot->values[value] != 0;
    } else {
        const uint64_t bits = is_null ? 0 : slot->values[value];
        memcpy((uint64_t *)vector->data + row, &bits, sizeof bits);
    }
}
