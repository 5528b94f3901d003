"""A load script as somebody would write it for the reference application, knowing nothing of chaosdrill."""

import time
import uuid

from locust import HttpUser, between, task


class Customer(HttpUser):
    wait_time = between(0.2, 0.5)

    def on_start(self):
        self.headers = {"X_ACCOUNT_ID": str(uuid.uuid4())}

    def finish(self, path, quantity, **options):
        answer = self.client.post(path, json={"quantity": quantity}, headers={**self.headers, **options}, timeout=3)
        if answer.status_code != 200:
            return
        number = answer.json()["transactionId"]
        for _ in range(20):
            time.sleep(0.5)
            answer = self.client.get("/transaction/" + number, headers=self.headers, name="/transaction/id", timeout=3)
            if answer.status_code != 200 or answer.json()["status"] == "status#success":
                return

    @task
    def deposit_then_withdraw(self):
        self.finish("/transaction/deposit", 1000, Connection="close")
        for _ in range(3):
            self.finish("/transaction/withdraw", 50)
