//! Runs tasks on one thread; somebody else decides which one is next.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// Names a task.
pub type TaskId = u64;

/// Tasks, each with a waker of its own. A task is a process of the pipeline: dropping it is killing it.
pub struct Executor<T> {
    tasks: BTreeMap<TaskId, Task<T>>,
    runnable: Arc<Runnable>,
    spawned: TaskId,
}

struct Task<T> {
    future: Pin<Box<dyn Future<Output = T>>>,
    waker: Waker,
}

/// The tasks that were woken since they last ran, by id: an order that no memory address and no hash decides.
#[derive(Default)]
struct Runnable(Mutex<BTreeSet<TaskId>>);

impl Runnable {
    fn ids(&self) -> MutexGuard<'_, BTreeSet<TaskId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct WakeTask {
    id: TaskId,
    runnable: Arc<Runnable>,
}

impl Wake for WakeTask {
    fn wake(self: Arc<Self>) {
        self.runnable.ids().insert(self.id);
    }
}

impl<T> Default for Executor<T> {
    fn default() -> Self {
        Self { tasks: BTreeMap::new(), runnable: Arc::default(), spawned: 0 }
    }
}

impl<T> Executor<T> {
    /// Adds a task, runnable at once.
    pub fn spawn(&mut self, future: impl Future<Output = T> + 'static) -> TaskId {
        self.spawned += 1;
        let id = self.spawned;
        let runnable = self.runnable.clone();
        let waker = Waker::from(Arc::new(WakeTask { id, runnable }));
        let future: Pin<Box<dyn Future<Output = T>>> = Box::pin(future);
        self.tasks.insert(id, Task { future, waker });
        self.runnable.ids().insert(id);
        id
    }

    /// How many tasks could run now.
    pub fn runnable(&self) -> usize {
        self.runnable.ids().len()
    }

    /// Takes the runnable task at this place in the order of ids.
    pub fn take(&self, place: usize) -> Option<TaskId> {
        let mut ids = self.runnable.ids();
        let id = ids.iter().nth(place).copied()?;
        ids.remove(&id);
        Some(id)
    }

    /// Runs a task until it waits; its output where it is done.
    pub fn poll(&mut self, id: TaskId) -> Option<T> {
        let task = self.tasks.get_mut(&id)?;
        match task.future.as_mut().poll(&mut Context::from_waker(&task.waker)) {
            Poll::Pending => None,
            Poll::Ready(output) => {
                self.kill(id);
                Some(output)
            }
        }
    }

    /// Kills a task where it stands.
    pub fn kill(&mut self, id: TaskId) {
        self.tasks.remove(&id);
        self.runnable.ids().remove(&id);
    }

    /// Every task there is.
    pub fn ids(&self) -> Vec<TaskId> {
        self.tasks.keys().copied().collect()
    }

    /// Whether no task is left.
    pub fn is_idle(&self) -> bool {
        self.tasks.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::yield_once;

    #[test]
    fn a_task_runs_when_it_is_woken_and_not_before() {
        let mut executor = Executor::default();
        let yielding = executor.spawn(async {
            yield_once().await;
            1
        });
        let waiting = executor.spawn(std::future::pending::<i32>());
        assert_eq!((executor.runnable(), executor.take(0)), (2, Some(yielding)));
        assert_eq!(executor.poll(yielding), None);
        assert_eq!(executor.take(1), Some(waiting), "the first woke itself");
        assert_eq!(executor.poll(waiting), None);
        assert_eq!((executor.runnable(), executor.take(0)), (1, Some(yielding)));
        assert_eq!(executor.poll(yielding), Some(1));
        assert_eq!((executor.runnable(), executor.is_idle()), (0, false));
        executor.kill(waiting);
        assert!(executor.is_idle());
    }
}
