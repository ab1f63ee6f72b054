/** A question that many ask of a run, with the query that answers it. */
export interface ReadyQuery {
  readonly name: string;
  readonly question: string;
  /** DuckDB's SQL over the tables and views of the database. */
  readonly sql: string;
}

/** What `tablewalk sql FILE --ready NAME` runs. README shows them with their text. */
export const READY_QUERIES: readonly ReadyQuery[] = [
  {
    name: 'who-maps-most',
    question: 'Which device maps most, and what does that cost the CPU?',
    sql: `select domain, devices, count(*) filter (kind = 'map') as maps, sum(size) filter (kind = 'map') as bytes,
  sum(cycles) as cycles, round(100 * sum(cycles) / sum(sum(cycles)) over (), 1) as percent
from operations join domains using (domain)
where kind in ('map', 'unmap')
group by domain, devices order by bytes desc`,
  },
  {
    name: 'dearest-sizes',
    question: 'Which size of request costs most in all, and which per request?',
    sql: `select kind, 2 ** floor(log2(size))::bigint as from_bytes, count(*) as times, sum(cycles) as cycles,
  round(avg(cycles), 1) as mean, round(quantile_cont(cycles, 0.99), 1) as p99
from operations
where kind in ('map', 'unmap') and size > 0
group by all order by cycles desc`,
  },
  {
    name: 'longest-windows',
    question: 'After which unmaps could a device still reach the memory for longest, and did it?',
    sql: `select w.operation, o.line, o.domain, d.devices, printf('0x%x', w.iova) as iova, w.size, w.cycles, w.seconds, w.hits
from windows w join operations o using (operation) left join domains d on d.domain = o.domain
where o.kind = 'unmap'
order by w.cycles desc limit 20`,
  },
  {
    name: 'table-memory',
    question: 'How much memory do the page tables of each domain take?',
    sql: `with at_end as (select domain, sum(size)::bigint as bytes from tables where freed is null group by domain)
select domain, any_value(devices) as devices, max(table_memory.bytes) as peak_bytes,
  coalesce(any_value(at_end.bytes), 0) as bytes_at_end
from table_memory left join domains using (domain) left join at_end using (domain)
group by domain order by peak_bytes desc`,
  },
  {
    name: 'worst-waits',
    question: 'Which operations waited longest for the MMU to complete invalidations?',
    sql: `select operation, line, kind, domain, printf('0x%x', iova) as iova, size, wait_cycles,
  round(100 * wait_cycles / cycles, 1) as percent_of_it
from operations
where wait_cycles > 0 and kind <> 'other'
order by wait_cycles desc, operation limit 20`,
  },
  {
    name: 'iova-reuse',
    question: 'After how many other maps of its domain does an address come again?',
    sql: `with numbered as (
  select domain, devices, iova, row_number() over (partition by domain order by operation) as nth from maps
), reused as (
  select domain, devices, nth - lag(nth) over (partition by domain, iova order by nth) as distance from numbered
)
select domain, devices, count(*) as maps, count(distance) as again, quantile_disc(distance, 0.5) as median,
  quantile_disc(distance, 0.9) as p90, max(distance) as longest
from reused group by domain, devices order by maps desc`,
  },
  {
    name: 'lifetimes',
    question: 'How long do buffers of each device stay mapped?',
    sql: `select domain, devices, count(*) as buffers, quantile_cont(seconds, 0.5) * 1e6 as median_us,
  quantile_cont(seconds, 0.99) * 1e6 as p99_us, max(seconds) * 1e6 as longest_us
from buffers group by domain, devices order by buffers desc`,
  },
  {
    name: 'commands-per-unmap',
    question: 'How many invalidation commands does an unmap need, by device?',
    sql: `with commands as (
  select operation, count(*) filter (scope <> 'sync') as commands, count(*) filter (scope = 'sync') as syncs
  from invalidations group by operation
)
select domain, devices, count(*) as unmaps, round(avg(coalesce(commands, 0)), 2) as commands, max(commands) as most,
  round(avg(coalesce(syncs, 0)), 2) as syncs,
  round(sum(command_cycles + wait_cycles) / nullif(sum(cycles), 0) * 100, 1) as percent_of_time
from unmaps left join commands using (operation)
group by domain, devices order by unmaps desc`,
  },
  {
    name: 'hot-pages',
    question: 'Which 2 MiB regions miss the TLBs most?',
    sql: `select stream, printf('0x%x', iova - iova % 2097152) as region, count(*) as accesses,
  count(*) filter (descriptor_reads > 0) as walks, sum(cycles) as cycles
from accesses
group by stream, region, iova - iova % 2097152 order by walks desc, cycles desc limit 20`,
  },
  {
    name: 'served',
    question: 'What serves the accesses of each stream, and how long does that take?',
    sql: `select stream, served, count(*) as accesses,
  round(100 * count(*) / sum(count(*)) over (partition by stream), 1) as percent, round(avg(cycles), 1) as mean,
  max(cycles) as longest
from accesses group by stream, served order by stream, accesses desc`,
  },
  {
    name: 'busiest-moments',
    question: 'In which milliseconds does the CPU spend most on mapping?',
    sql: `select floor(seconds * 1000)::bigint / 1000 as second, count(*) as operations, sum(cycles) as cycles,
  round(sum(cycles) / (any_value(clock_mhz) * 1000) * 100, 2) as percent_of_a_cpu
from operations, run
group by floor(seconds * 1000) order by cycles desc limit 20`,
  },
  {
    name: 'findings',
    question: 'What did the sanitizer find, how often, and where first?',
    sql: `select kind, count(*) as times, min(operation) as first_operation, arg_min(line, operation) as line,
  arg_min(detail, operation) as detail
from findings group by kind order by times desc`,
  },
];
