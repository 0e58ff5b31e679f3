//! The way back to one page or link: a queue bounded by number, whose bytes are counted.
//!
//! The node's runtime fills an [`Outbox`] and never waits; the driver's task empties the [`Inlet`]. What a task
//! is writing counts until it asks for more, since it is still in memory. When all queues of a kind hold too
//! much together, the runtime cuts the fullest off ([`Outbox::cut`]): its peer reads least.

use std::{cell::Cell, rc::Rc};

use tokio::sync::{
    Notify,
    mpsc::{self, error::TrySendError},
};

/// How many messages may wait for one page or one link to be written before it is closed.
const OUT_QUEUE: usize = 128;

/// What can wait.
pub trait Weigh {
    /// About what it takes in memory, in bytes.
    fn weight(&self) -> usize;
}

/// Bytes that wait in all queues of a kind.
#[derive(Debug, Clone, Default)]
pub struct Waiting(Rc<Cell<usize>>);

impl Waiting {
    /// How many.
    pub fn bytes(&self) -> usize {
        self.0.get()
    }
}

#[derive(Debug)]
struct Queue {
    bytes: Cell<usize>,
    all: Waiting,
    cut: Notify,
}

impl Queue {
    fn add(&self, bytes: usize) {
        self.bytes.set(self.bytes.get() + bytes);
        self.all.0.set(self.all.0.get() + bytes);
    }

    fn remove(&self, bytes: usize) {
        // what was cut off is not counted any more
        let bytes = bytes.min(self.bytes.get());
        self.bytes.set(self.bytes.get() - bytes);
        self.all.0.set(self.all.0.get() - bytes);
    }
}

/// The runtime's end. Dropped, the task writes what is queued and ends.
#[derive(Debug)]
pub struct Outbox<T> {
    sender: mpsc::Sender<T>,
    queue: Rc<Queue>,
}

/// The task's end.
#[derive(Debug)]
pub struct Inlet<T> {
    receiver: mpsc::Receiver<T>,
    queue: Rc<Queue>,
    /// What the message that was taken last weighs.
    writing: usize,
}

/// An empty queue, counted in `all`.
pub fn open<T: Weigh>(all: &Waiting) -> (Outbox<T>, Inlet<T>) {
    let (sender, receiver) = mpsc::channel(OUT_QUEUE);
    let queue = Rc::new(Queue { bytes: Cell::new(0), all: all.clone(), cut: Notify::new() });
    (Outbox { sender, queue: queue.clone() }, Inlet { receiver, queue, writing: 0 })
}

impl<T: Weigh> Outbox<T> {
    /// Queues a message.
    ///
    /// # Errors
    /// The message, when there are too many or the task has ended.
    pub fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        let weight = message.weight();
        self.sender.try_send(message)?;
        self.queue.add(weight);
        Ok(())
    }

    /// Bytes that wait.
    pub fn bytes(&self) -> usize {
        self.queue.bytes.get()
    }

    /// Ends the task at once; what is queued is not sent.
    pub fn cut(self) {
        self.queue.remove(self.bytes());
        self.queue.cut.notify_one();
    }
}

impl<T: Weigh> Inlet<T> {
    /// The next message; `None` when there will be no more.
    pub async fn recv(&mut self) -> Option<T> {
        self.queue.remove(std::mem::take(&mut self.writing));
        let message = self.receiver.recv().await?;
        self.writing = message.weight();
        Some(message)
    }

    /// Ends when the runtime cuts this queue off.
    pub fn cut_off(&self) -> impl Future<Output = ()> + use<T> {
        let queue = self.queue.clone();
        async move { queue.cut.notified().await }
    }
}

impl<T> Drop for Inlet<T> {
    fn drop(&mut self) {
        self.queue.remove(self.queue.bytes.get());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Weigh for Vec<u8> {
        fn weight(&self) -> usize {
            self.len()
        }
    }

    #[tokio::test]
    async fn bytes_count_from_when_they_are_queued_until_they_are_written() {
        let all = Waiting::default();
        let (out, mut inlet) = open(&all);
        let (other, _inlet) = open(&all);
        out.try_send(vec![1; 100]).unwrap();
        out.try_send(vec![2; 10]).unwrap();
        other.try_send(vec![3; 1]).unwrap();
        assert_eq!((out.bytes(), all.bytes()), (110, 111));
        assert_eq!(inlet.recv().await, Some(vec![1; 100]));
        assert_eq!(out.bytes(), 110, "it is being written");
        assert_eq!(inlet.recv().await, Some(vec![2; 10]));
        assert_eq!((out.bytes(), all.bytes()), (10, 11));
        drop(inlet);
        assert_eq!(all.bytes(), 1);
        assert!(out.try_send(vec![4]).is_err());
        assert_eq!(all.bytes(), 1, "what was not taken is not counted");
    }

    #[tokio::test]
    async fn a_queue_that_is_cut_off_counts_nothing_from_then_on() {
        let all = Waiting::default();
        let (out, mut inlet) = open(&all);
        out.try_send(vec![1; 100]).unwrap();
        out.try_send(vec![2; 100]).unwrap();
        inlet.recv().await;
        let cut_off = inlet.cut_off();
        out.cut();
        assert_eq!(all.bytes(), 0);
        cut_off.await;
        drop(inlet);
        assert_eq!(all.bytes(), 0);
    }

    #[test]
    fn a_queue_holds_so_many_messages() {
        let (out, _inlet) = open(&Waiting::default());
        assert!((0..OUT_QUEUE).all(|_| out.try_send(vec![0]).is_ok()));
        assert!(matches!(out.try_send(vec![0]), Err(TrySendError::Full(_))));
    }
}
