/** A name for what many questions begin with. */
export interface DatabaseView {
  readonly name: string;
  readonly meaning: string;
  /** What it selects, in DuckDB's SQL. */
  readonly sql: string;
}

/** In this order: a view may read those before it. */
export const DATABASE_VIEWS: readonly DatabaseView[] = [
  {
    name: 'maps',
    meaning: 'maps with the devices of their domain',
    sql: `select o.*, d.devices from operations o left join domains d using (domain) where o.kind = 'map'`,
  },
  {
    name: 'unmaps',
    meaning: 'unmaps with the devices of their domain',
    sql: `select o.*, d.devices from operations o left join domains d using (domain) where o.kind = 'unmap'`,
  },
  {
    name: 'buffers',
    meaning: 'each unmap with the map that began its range, and how long that lived',
    sql: `select m.operation as mapped_by, u.operation as unmapped_by, u.domain, u.devices, u.iova, u.size,
  m.seconds as mapped, u.seconds - m.seconds as seconds
from unmaps u asof join maps m on m.domain = u.domain and m.iova = u.iova and u.operation > m.operation`,
  },
  {
    name: 'table_memory',
    meaning: 'bytes of page tables of each domain after each table that came or went',
    sql: `select domain, cycle,
  sum(bytes) over (partition by domain order by cycle, bytes desc rows unbounded preceding)::bigint as bytes
from (
  select domain, allocated as cycle, size as bytes from tables
  union all select domain, freed, -size from tables where freed is not null
)`,
  },
];
