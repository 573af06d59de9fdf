"""Training on IoT networks: MADDQN-DMADDPG and MAPPO."""
