//! Whether a KDF's memory is there now, will be, or never can be.
//!
//! The units of all volumes start in the same second. Two KDFs that each fit alone must not run
//! together when they do not fit together, or the kernel kills one; and small ones need not wait for
//! each other. So each sets aside what it needs before it begins, and what the others have set
//! aside and not taken yet is not free. Pure: edge/memory.rs has the numbers.

use crate::error::Shortage;

/// What is left to the kernel and to everything else that runs, in KiB: a KDF that leaves less of
/// the machine than this is never begun. A kernel with an initramfs and this program takes as much,
/// and as much again may programs take that start beside it, those of 64 volumes for one.
const RESERVE_KIB: u64 = 64 << 10;

/// What there is, in KiB. What cannot be read limits nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// `MemTotal` of proc(5).
    pub total_kib: Option<u64>,
    /// `MemAvailable` of proc(5).
    pub available_kib: Option<u64>,
    /// The control groups with a limit that this process is in.
    pub groups: Vec<Group>,
    /// The KDFs of other processes.
    pub others: Vec<Other>,
}

/// A control group, in KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// `memory.max` (the kernel's cgroup-v2.rst).
    pub limit_kib: u64,
    /// What its processes have, but for file pages that can be dropped.
    pub used_kib: u64,
}

/// A KDF of another process, in KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Other {
    /// What it set aside.
    pub reserved_kib: u64,
    /// How much of that it has by now: what is taken is missing in the free memory already.
    pub taken_kib: u64,
}

/// Whether a KDF that needs `needed_kib` may begin.
///
/// Errors: [`Shortage::Machine`] and [`Shortage::Group`], which no waiting mends, and
/// [`Shortage::Free`].
pub fn admit(needed_kib: u64, state: &State) -> Result<(), Shortage> {
    let total = state.total_kib.filter(|kib| needed_kib > kib.saturating_sub(RESERVE_KIB));
    if let Some(kib) = total {
        return Err(Shortage::Machine { kib });
    }
    if let Some(group) = state.groups.iter().find(|group| needed_kib > group.limit_kib) {
        return Err(Shortage::Group { kib: group.limit_kib });
    }
    let outstanding: u64 =
        state.others.iter().map(|other| other.reserved_kib.saturating_sub(other.taken_kib)).sum();
    // Waiting for others costs seconds; alone, waiting for more than there is would cost the volume.
    let kept = if state.others.is_empty() { 0 } else { RESERVE_KIB };
    let spoken_for = outstanding.saturating_add(kept);
    let in_groups = state.groups.iter().map(|group| group.limit_kib.saturating_sub(group.used_kib));
    match in_groups.chain(state.available_kib).min() {
        Some(free) if needed_kib > free.saturating_sub(spoken_for) => {
            Err(Shortage::Free { kib: free.saturating_sub(spoken_for), others: state.others.len() })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 10;

    /// A machine of 4 GiB with so much free.
    fn free(mib: u64) -> State {
        let (total, available) = (Some(4096 * MIB), Some(mib * MIB));
        State { total_kib: total, available_kib: available, ..State::default() }
    }

    fn others(mib: &[(u64, u64)]) -> Vec<Other> {
        let other = |(reserved, taken): &(u64, u64)| Other {
            reserved_kib: reserved * MIB,
            taken_kib: taken * MIB,
        };
        mib.iter().map(other).collect()
    }

    #[test]
    fn what_others_set_aside_and_have_not_taken_is_not_free() {
        for (set_aside, left) in [
            (&[][..], 3000),
            // Beside others 64 MiB are left for what else runs.
            (&[(1024, 0)], 1912),
            // It has all of it, and free memory is less by that already.
            (&[(1024, 1024)], 2936),
            (&[(1024, 24)], 1936),
            (&[(1024, 4000)], 2936),
            (&[(1024, 0), (1024, 0)], 888),
            (&[(2048, 0), (2048, 0)], 0),
        ] {
            let state = State { others: others(set_aside), ..free(3000) };
            assert_eq!(admit(left * MIB, &state), Ok(()), "{set_aside:?}");
            let (kib, others) = (left * MIB, set_aside.len());
            assert_eq!(admit(kib + 1, &state), Err(Shortage::Free { kib, others }));
        }
    }

    #[test]
    fn what_the_machine_never_has_is_not_waited_for() {
        let state = free(100);
        let kib = 4096 * MIB;
        assert_eq!(admit(4032 * MIB + 1, &state), Err(Shortage::Machine { kib }));
        let shortage = Shortage::Free { kib: 100 * MIB, others: 0 };
        assert_eq!(admit(4032 * MIB, &state), Err(shortage));
        let tiny = State { total_kib: Some(1), ..free(100) };
        assert_eq!(admit(1, &tiny), Err(Shortage::Machine { kib: 1 }));
    }

    #[test]
    fn the_narrowest_group_decides_where_it_has_less_than_the_machine() {
        let group = |limit, used| Group { limit_kib: limit * MIB, used_kib: used * MIB };
        let state = State { groups: vec![group(512, 12), group(2048, 1848)], ..free(3000) };
        assert_eq!(admit(200 * MIB, &state), Ok(()));
        let shortage = Shortage::Free { kib: 200 * MIB, others: 0 };
        assert_eq!(admit(201 * MIB, &state), Err(shortage));
        assert_eq!(admit(513 * MIB, &state), Err(Shortage::Group { kib: 512 * MIB }));
        let wide = State { groups: vec![group(2048, 0)], ..free(100) };
        assert_eq!(admit(101 * MIB, &wide), Err(Shortage::Free { kib: 100 * MIB, others: 0 }));
    }

    #[test]
    fn what_cannot_be_read_limits_nothing() {
        assert_eq!(admit(u64::MAX, &State::default()), Ok(()));
    }

    /// 64 volumes that start in the same second, each run to its end before memory is given back.
    #[test]
    fn however_many_start_together_no_more_run_than_fit() {
        for (needed, available, at_once) in [(1024, 3500, 3), (65, 3500, 52), (3500, 3500, 1)] {
            let (mut waiting, mut rounds) = (64_u64, 0);
            while waiting > 0 {
                let mut state = free(available);
                while waiting > 0 && admit(needed * MIB, &state).is_ok() {
                    state.others.push(Other { reserved_kib: needed * MIB, taken_kib: 0 });
                    waiting -= 1;
                }
                assert!(state.others.len() <= at_once, "{needed}");
                rounds += 1;
            }
            assert_eq!(rounds, 64_usize.div_ceil(at_once), "{needed}");
        }
    }
}
