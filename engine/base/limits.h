/* limits.h - every fixed limit of the engine, with the arithmetic that chose it.
 *
 * A queue, table, retry or loop elsewhere names its bound from here.
 */
#ifndef GM_BASE_LIMITS_H
#define GM_BASE_LIMITS_H

/* Bytes of a cache line pair: adjacent-line prefetch makes 128 the unit of false sharing. */
#define GM_LINE_BYTES 128

/* Any bytes value in a batch may be loaded as one 16-byte vector from its first byte,
 * and as whole 64-byte vectors up to its end: the memory behind it has this much slack. */
#define GM_BYTES_SLACK 64

/* Rows of one batch.  1024 (pointer, length) pairs are 16 KiB: half of a 32 KiB L1. */
#define GM_BATCH_ROWS_MAX 1024

/* Columns of a row.  A schema's null bitmap is then at most 8 bytes. */
#define GM_FIELDS_MAX 64
#define GM_FIELD_NAME_BYTES_MAX 32

/* One bytes value: its length travels as a u32; 1 GiB keeps every sum of two in 31 bits. */
#define GM_VALUE_BYTES_MAX (1u << 30)

/* Lists inside lists: whoever walks one may do so by recursion. */
#define GM_LIST_DEPTH_MAX 32

/* One packed row: a value of the largest size and 1 MiB for the others; fits a u32 twice. */
#define GM_ROW_BYTES_MAX (GM_VALUE_BYTES_MAX + (1u << 20))

/* Frames: 64 KiB by default, smaller when --memory is small.  24 bits hold a run's length. */
#define GM_FRAME_BYTES_DEFAULT (64u << 10)
#define GM_FRAME_BYTES_MIN (4u << 10)
#define GM_FRAME_BYTES_MAX (1u << 20)

/* Executors of one job, over all its nodes.  The driver and a node's gateway are participants, too;
 * a job has at most as many nodes as executors, and the driver's. */
#define GM_EXECUTORS_MAX 256
#define GM_PARTICIPANTS_MAX (GM_EXECUTORS_MAX + 2)
#define GM_NODES_MAX (GM_EXECUTORS_MAX + 1)

/* Exchanges of one region of the plan; u16 in the frame header. */
#define GM_EXCHANGES_MAX 64

/* Partitions of a dataset: the fan-out goal is 40,000. */
#define GM_PARTITIONS_MAX 65536

/* Staging of a sender per partition: at most 1 KiB, so 40,000 partitions cost 40 MB. */
#define GM_STAGING_BYTES_MAX 1024

/* Descriptors in one ring.  A ring has as many slots as its sender may have frames out in the
 * exchange, so it can never be the limit; the quota is. */
#define GM_RING_SLOTS_MAX (1u << 20)

/* Messages between nodes.  8 frames of 64 KiB in one call to the kernel: the copy takes some 50 us,
 * the call under 1, and what was just summed up is still in a 1 MiB L2; the head of 640 bytes is
 * 0.1 %.  A message ends with the frame that passes the bytes.  The window is for sends whose
 * memory is held until the peer has it; others have one message under way. */
#define GM_WIRE_FRAMES_MAX 8
#define GM_WIRE_CREDITS_MAX 11
#define GM_WIRE_MESSAGE_BYTES (512u << 10)
#define GM_WIRE_WINDOW 4

/* How long a connection between nodes may be silent although something is due, until it counts as
 * broken: as long as an agent may be until the master counts it as lost. */
#define GM_STREAM_SILENCE_S 6

/* What a person knows a node by: a host name of 253 bytes, a colon and a port. */
#define GM_NODE_NAME_BYTES_MAX 260

/* Words of a region: one per segment of sources that are cut, of which each partition begins one
 * and each file another; 10 MiB. */
#define GM_WORDS_MAX (GM_PARTITIONS_MAX + (1u << 20) + GM_EXCHANGES_MAX)

/* Steps of a flow, files of a source, bytes of a path, of a step's name and of an error. */
#define GM_STEPS_MAX 256
#define GM_FILES_MAX (1u << 20)
#define GM_PATH_BYTES_MAX 4096
#define GM_STEP_NAME_BYTES_MAX 64
#define GM_ERROR_BYTES_MAX 1024

/* The end of a written file's name: ".csv.zst" and the like. */
#define GM_SUFFIX_BYTES_MAX 64

/* Bytes of a function's parameter; a Lua function with its upvalues is one. */
#define GM_PARAM_BYTES_MAX (16u << 20)

/* Names that the steps of a flow may count under: all of them with their numbers are 5 KiB of an
 * outcome. */
#define GM_COUNTERS_MAX 64
#define GM_COUNTER_NAME_BYTES_MAX 64

/* Broadcast values of a flow, and bytes of one: they travel with the plan. */
#define GM_BROADCASTS_MAX 64
#define GM_BROADCAST_BYTES_MAX (64u << 20)

/* Datasets that executors keep for a driver at a time: their numbers travel with every plan. */
#define GM_CACHED_MAX 256

/* One record of fixed size: a quarter of a reader's block. */
#define GM_RECORD_BYTES_MAX (64u << 10)

/* An encoded plan travels over the control socket; a million file segments fit. */
#define GM_PLAN_BYTES_MAX (256u << 20)

/* Reads that one disk may have under way, and how often one is tried again after EINTR or EAGAIN.
 * 256 requests are 18 KiB; a read that is refused 16 times is an error to report. */
#define GM_DISK_DEPTH_MAX 256
#define GM_DISK_RETRIES_MAX 16

/* What a reader of whole files asks for.  From the page cache 256 KiB blocks are as fast as a plain
 * pread loop with 2 in flight, 3% slower with 4, 10% with 8 (the buffers leave a 1 MiB L2).  From
 * the disk, blocks in random order gain 1.25x with 2 and 1.6x with 4. */
#define GM_DISK_DEPTH_DEFAULT 4
#define GM_DISK_BLOCK_BYTES_DEFAULT (256u << 10)

/* Spilling.  A write of 1 MiB keeps a disk busy longer than it takes to submit; more than 4 MiB
 * brings nothing, less than 64 KiB is slow on any disk.  256 windows are as many transfers. */
#define GM_SPILL_BLOCK_BYTES_MIN (64u << 10)
#define GM_SPILL_BLOCK_BYTES_MAX (4u << 20)
#define GM_SPILL_WINDOWS_MAX 256
#define GM_SPILL_DIRECTORIES_MAX 16
/* Blocks of one file: 32 bits of slot; of one run: a table of 16 bytes each. */
#define GM_SPILL_SLOTS_MAX (1u << 30)

/* Descriptors that a sleeper watches beside its bell.  The driver has a control socket of each
 * executor: 256 pollfds are 2 KiB of stack; an executor has a disk per source. */
#define GM_BELL_EXTRA_MAX GM_EXECUTORS_MAX

/* Idle loops before an executor sleeps: about 50 us of empty polls. */
#define GM_SPIN_NS 50000

#endif
