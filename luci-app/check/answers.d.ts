// (filled when the daemon's answers are known)
