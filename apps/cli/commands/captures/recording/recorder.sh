# Where the capture goes. In the environment: TRACEFS (the mounted tracefs), SYSFS, BUFFER_KB (trace buffer per CPU).
case ${1:-} in
-h | --help)
  echo "usage: $0 [FILE]    records until Ctrl-C, or for DURATION seconds; as root"
  exit 0
  ;;
esac
set -u
TAB=$(printf '\t')
SYSFS=${SYSFS:-/sys}
MOUNTED='' MADE='' DEFINED='' ENABLED='' READER='' STOPPED='' I=''

say() {
  printf 'record: %s\n' "$*" >&2
}

fail() {
  say "$*"
  exit 2
}

# put FILE TEXT: appends, so that a list of probes is never emptied; false where the kernel refuses it.
put() {
  [ -e "$1" ] && { printf '%s\n' "$2" >>"$1"; } 2>/dev/null
}

find_tracefs() {
  for T in ${TRACEFS:+"$TRACEFS"} "$SYSFS/kernel/tracing" "$SYSFS/kernel/debug/tracing"; do
    [ -e "$T/trace_pipe" ] && return 0
    [ -n "${TRACEFS:-}" ] && fail "TRACEFS: found $TRACEFS, which is no mounted tracefs"
  done
  T=$SYSFS/kernel/tracing
  mount -t tracefs tracefs "$T" 2>/dev/null && MOUNTED=$T && [ -e "$T/trace_pipe" ]
}

# Puts everything back: the kernel is as it was before, whatever ended the script.
undo() {
  trap '' INT TERM HUP
  if [ -n "$READER" ]; then
    kill "$READER" 2>/dev/null
    wait "$READER" 2>/dev/null
  fi
  if [ -n "$MADE" ]; then
    put "$I/tracing_on" 0
    put "$I/events/enable" 0
    # A reader that has just gone may hold it for a moment.
    rmdir "$I" 2>/dev/null || { sleep 1 && rmdir "$I"; } || say "could not remove $I"
  fi
  for probe in $DEFINED; do
    put "$T/kprobe_events" "-:$NAME/$probe" || say "could not remove the probe $NAME/$probe"
  done
  [ -z "$MOUNTED" ] || umount "$MOUNTED"
}

# define EVENT: the first way that this kernel accepts.
define() {
  while IFS=$TAB read -r event about first second; do
    [ "$event" = "$1" ] || continue
    put "$T/kprobe_events" "$first" || continue
    if [ -n "$second" ] && ! put "$T/kprobe_events" "$second"; then
      put "$T/kprobe_events" "-:$NAME/$1"
      continue
    fi
    DEFINED="$DEFINED $1"
    say "$1: $about (${first#* })"
    return 0
  done <<END
$(probes)
END
  return 1
}

define_probes() {
  # Left over from a script that was killed with SIGKILL.
  for probe in $KPROBES; do put "$T/kprobe_events" "-:$NAME/$probe"; done
  [ -e "$T/kprobe_events" ] || { say "no kprobes: this kernel has none (CONFIG_KPROBE_EVENTS)" && return; }
  # Maps that name their domain are of no use beside unmaps that do not, and the other way round.
  if define dom_map && define dom_unmap; then
    define dom_attach || say "left out: dom_attach, which this kernel does not let us probe; devices of domains stay unknown"
    return
  fi
  say "left out: dom_map, dom_unmap, dom_attach, which this kernel does not let us probe$(reason)"
  for probe in $DEFINED; do put "$T/kprobe_events" "-:$NAME/$probe"; done
  DEFINED=''
}

# What the kernel said last.
reason() {
  [ -r "$T/error_log" ] && sed -n 's/.*error: /: /p' "$T/error_log" | tail -n 1
}

# enable GROUP EVENT
enable() {
  put "$I/events/$1/$2/enable" 1 && ENABLED="$ENABLED $1:$2"
}

enable_events() {
  for event in $IOMMU_EVENTS; do enable iommu "$event"; done
  case $ENABLED in
  *iommu:map*iommu:unmap*) ;;
  *) fail "this kernel has no events iommu:map and iommu:unmap (CONFIG_TRACEPOINTS, CONFIG_IOMMU_API)" ;;
  esac
  for event in $DEFINED; do
    enable "$NAME" "$event" || fail "the probe $NAME/$event cannot be enabled"
  done
  before=$ENABLED
  for event in $DMA_EVENTS; do enable dma "$event"; done
  [ -z "$DMA_EVENTS" ] || [ "$before" != "$ENABLED" ] || say "left out: dma events, which Linux has from 6.12 on"
}

# As much as is sensible, halved until the kernel has it.
size_buffers() {
  cpus=0
  for cpu in "$I"/per_cpu/cpu*; do cpus=$((cpus + 1)); done
  memory=$(sed -n 's/^MemTotal: *\([0-9]*\).*/\1/p' /proc/meminfo)
  KB=$((${memory:-1048576} / 64 / cpus))
  [ "$KB" -le 65536 ] || KB=65536
  [ "$KB" -ge 1408 ] || KB=1408
  KB=${BUFFER_KB:-$KB}
  until put "$I/buffer_size_kb" "$KB"; do
    KB=$((KB / 2))
    [ "$KB" -ge 64 ] || fail "no memory for a trace buffer"
  done
  say "buffer: $KB KiB for each of $cpus CPUs"
}

# What a replay likes to know of the machine, as comments.
describe() {
  echo "# recorded by tablewalk record-script"
  echo "# kernel: $(uname -srm)"
  echo "# page size: $(getconf PAGESIZE 2>/dev/null || echo unknown)"
  hz=$({ zcat /proc/config.gz || cat "/boot/config-$(uname -r)"; } 2>/dev/null | sed -n 's/^CONFIG_HZ=//p')
  echo "# HZ: ${hz:-unknown}"
  for group in "$SYSFS"/kernel/iommu_groups/*; do
    [ -e "$group/type" ] || continue
    devices=''
    for device in "$group"/devices/*; do devices="$devices ${device##*/}"; done
    echo "# IOMMU group ${group##*/}: $(cat "$group/type")$devices"
  done
}

start() {
  if [ -n "$TRACE_CMD" ]; then
    options=''
    for event in $ENABLED; do options="$options -e $event"; done
    # shellcheck disable=SC2086 # one word each
    trace-cmd record -q -o "$FILE" -B "$NAME" -C "$CLOCK" -b "$KB" $options >/dev/null &
    READER=$!
    return
  fi
  describe >"$FILE" || fail "cannot write $FILE"
  cat "$I/trace_pipe" >>"$FILE" &
  READER=$!
  put "$I/tracing_on" 1 || fail "tracing cannot be switched on"
}

length() {
  { wc -c <"$FILE"; } 2>/dev/null || echo 0
}

# Everything still in the buffers goes into the file.
stop() {
  if [ -n "$TRACE_CMD" ]; then
    kill -INT "$READER" 2>/dev/null
    waited=0
    while kill -0 "$READER" 2>/dev/null && [ "$waited" -lt 60 ]; do
      sleep 1
      waited=$((waited + 1))
    done
  else
    put "$I/tracing_on" 0
    # The reader ends by itself once the buffers are empty, but not if it never read anything.
    before=-1
    while kill -0 "$READER" 2>/dev/null && [ "$before" != "$(length)" ]; do
      before=$(length)
      sleep 1
    done
  fi
  kill "$READER" 2>/dev/null
  wait "$READER" 2>/dev/null
  READER=''
}

# Sum of what the buffers overwrote or dropped and of what the probes missed; nothing where the kernel does not tell.
lost() {
  [ -e "$I/per_cpu/cpu0/stats" ] || return
  sum=0
  while IFS=: read -r what count; do
    case $what in
    overrun | 'dropped events') sum=$((sum + count)) ;;
    esac
  done <<END
$(cat "$I"/per_cpu/cpu*/stats)
END
  while read -r event _ missed; do
    case " $DEFINED " in
    *" $event "*) sum=$((sum + ${missed:-0})) ;;
    esac
  done <<END
$([ -z "$DEFINED" ] || cat "$T/kprobe_profile")
END
  echo "$sum"
}

trap undo EXIT
trap 'STOPPED=1' INT TERM HUP
find_tracefs || fail "no tracefs: run this as root (mount -t tracefs tracefs /sys/kernel/tracing)"
# A trace.dat has been seen to lack the formats of kprobe events, so those are recorded as text.
TRACE_CMD=$(command -v trace-cmd)
[ -z "$KPROBES" ] || TRACE_CMD=''
FILE=${1:-tablewalk-$(uname -n)-$(date +%Y%m%d-%H%M%S).${TRACE_CMD:+dat}}
case $FILE in *.) FILE=${FILE}txt ;; esac
[ ! -e "$FILE" ] || fail "$FILE exists already"

I=$T/instances/$NAME
rmdir "$I" 2>/dev/null
mkdir "$I" || fail "$I cannot be made: another recording runs, or this is not root"
MADE=1
put "$I/tracing_on" 0
[ -z "$KPROBES" ] || define_probes
enable_events
size_buffers
CLOCK=local
for clock in mono global; do put "$I/trace_clock" "$clock" && CLOCK=$clock && break; done
for option in raw hex bin verbose latency-format record-tgid; do put "$I/options/$option" 0; done
for option in context-info irq-info; do put "$I/options/$option" 1; done

start
say "recording into $FILE, $([ "$DURATION" = 0 ] && echo "until Ctrl-C" || echo "for $DURATION s")"
seconds=0
while [ -z "$STOPPED" ] && { [ "$DURATION" = 0 ] || [ "$seconds" -lt "$DURATION" ]; }; do
  sleep 1
  seconds=$((seconds + 1))
  kill -0 "$READER" 2>/dev/null || { say "the reader of the trace has ended by itself" && break; }
done
stop

say "capture: $FILE, $(length) bytes"
LOST=$(lost)
CODE=0
case $LOST in
'') say "lost events: this kernel does not tell; a replay of the capture does" ;;
0) say "lost events: none" ;;
*)
  say "lost events: $LOST. The capture has holes; record again with BUFFER_KB=$((KB * 4)), or a file in memory (/dev/shm)"
  CODE=1
  ;;
esac
if [ -z "$TRACE_CMD" ] && [ "$(grep -c -e ' map: ' -e ' dom_map: ' "$FILE")" = 0 ]; then
  say "no map was recorded: is a device behind an IOMMU in use, with a translated domain (type DMA or DMA-FQ above)?"
fi
say "next: tablewalk replay $FILE"
exit "$CODE"
