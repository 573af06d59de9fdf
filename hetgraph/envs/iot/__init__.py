"""IoT networks: deadlines and superposed users."""
