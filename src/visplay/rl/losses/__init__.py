"""The built-in policy losses, one file each; settings name one in `rl.loss`."""
